"""Ends of a transaction that views of each kind may meet, beyond those of the table's files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import Error, connections, transaction
from django.http import HttpResponse
from django.test import Client

from jti_replay import Reservation, replay_cache
from jti_replay.decorators import reserve_jti
from tests.kinds.each_kind import Kind
from tests.models import Work
from tests.rollback.attempts import AROUND, Attempt
from tests.rollback.blocks import failing_block
from tests.rollback.hidden_ends import close, nothing, raises, work_with_hidden_end
from tests.rollback.sessions import terminate
from tests.rollback.testcases import run_in_testcase

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class CallbackFailed(Exception):
    pass


def test_a_committed_token_is_refused_as_a_replay(attempt: Attempt, kind: Kind) -> None:
    """Each kind has its own answer, and gives it to each later request."""
    assert attempt.run(lambda reservation: attempt.store()) is None
    assert [attempt.repeated(), attempt.repeated()] == [kind.case.replayed] * 2


def test_a_token_that_came_back_is_good_once(attempt: Attempt, kind: Kind) -> None:
    """The second use of it is as any first one."""
    assert attempt.run(lambda reservation: raises(attempt)) is not None
    assert [attempt.repeated(), attempt.repeated()] == [200, kind.case.replayed]


def test_a_connection_that_is_closed_in_the_block_gives_the_token_back(
    attempt: Attempt,
) -> None:
    """What was not committed is gone with the connection."""

    def work(reservation: Reservation) -> None:
        attempt.store()
        close(attempt)

    attempt.run(work)
    assert not attempt.stored()
    assert attempt.was_released()


def test_a_connection_that_a_query_finds_lost_gives_the_token_back(
    postgres_attempt: Attempt, other_session: Any
) -> None:
    """The server had rolled back before the COMMIT was tried."""
    attempt = postgres_attempt

    def work(reservation: Reservation) -> None:
        attempt.store()
        terminate(connections[attempt.using], other_session)
        attempt.store("noticed")

    assert isinstance(attempt.run(work), Error)
    connections[attempt.using].close()
    assert not attempt.stored()
    assert attempt.was_released()


@pytest.mark.parametrize("end", [raises, nothing], ids=["raises", "returns"])
def test_a_commit_in_sql_uses_the_token_up(attempt: Attempt, end: Any) -> None:
    """Whatever the view does after it, its work is there."""
    attempt.run(work_with_hidden_end(attempt, "SQL", end))
    connections[attempt.using].close()
    assert attempt.stored()
    assert not attempt.was_released()


def test_the_rollback_of_another_database_uses_the_token_up(attempt: Attempt) -> None:
    """The token paid for the work on the database that the decorator names."""

    def work(reservation: Reservation) -> None:
        with failing_block("memory"):
            Work.objects.using("memory").create(name="work")
        attempt.store()

    assert attempt.run(work) is None
    assert attempt.stored()
    assert not attempt.was_released()


def test_a_savepoint_around_the_view_gives_the_token_back_at_once(
    kind: Kind, using: str, serve: Callable[[Any], Client]
) -> None:
    """The outer transaction goes on, and commits the second use."""
    sent = kind.sent()
    rolls_back = [True, False]

    @reserve_jti(using=using)
    def view(request: Any) -> HttpResponse:
        Work.objects.using(using).create(name="work")
        return HttpResponse()

    def around(request: Any) -> HttpResponse:
        with transaction.atomic(using):
            if rolls_back.pop(0):
                with failing_block(using):
                    view(request)
                assert replay_cache.count() == 0
            return view(request) if rolls_back else HttpResponse(status=500)

    assert serve(around).post("/", **sent).status_code == 200
    assert Work.objects.using(using).count() == 1
    assert serve(view).post("/", **sent).status_code == kind.case.replayed


@pytest.mark.parametrize("commits", [True, False], ids=["commit", "rollback"])
def test_manual_transactions_decide(
    attempt_with: Callable[..., Attempt], using: str, *, commits: bool
) -> None:
    """With autocommit off, the project's own commit() and rollback() are the end."""
    attempt = attempt_with(using)
    transaction.set_autocommit(False, using)
    try:
        assert attempt.run(lambda reservation: attempt.store()) is None
        (transaction.commit if commits else transaction.rollback)(using)
    finally:
        transaction.set_autocommit(True, using)
    assert attempt.stored() is commits
    assert attempt.was_released() is not commits


def test_in_a_testcase_each_end_is_as_in_production(
    kind: Kind, using: str, serve: Callable[[Any], Client]
) -> None:
    """The block of the test itself counts as no transaction."""
    fails = [True, False]

    @reserve_jti(using=using)
    def view(request: Any) -> HttpResponse:
        Work.objects.using(using).create(name="work")
        transaction.set_rollback(fails.pop(0), using=using)
        return HttpResponse()

    def body() -> None:
        client, sent = serve(view), kind.sent()
        answers = [client.post("/", **sent).status_code for _ in range(3)]
        assert answers == [200, 200, kind.case.replayed]
        assert Work.objects.using(using).count() == 1

    run_in_testcase(using, body)


def test_a_callback_that_raises_after_the_commit_leaves_a_replay(
    attempt: Attempt, kind: Kind
) -> None:
    """The work is done, and the sender of an event is told so when it tries again."""

    def callback() -> None:
        raise CallbackFailed

    def work(reservation: Reservation) -> None:
        attempt.store()
        transaction.on_commit(callback, using=attempt.using)

    assert isinstance(attempt.run(work), CallbackFailed)
    assert attempt.stored()
    assert attempt.repeated() == kind.case.replayed


@pytest.mark.parametrize("way", ["decorator", "ATOMIC_REQUESTS", AROUND])
@pytest.mark.parametrize("status", [200, 400])
def test_a_failure_that_is_answered_releases_if_its_sender_tries_again(
    kind: Kind,
    using: str,
    way: str,
    status: int,
    serve: Callable[[Any], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Logout tokens and security events come again after it, and others mean it."""
    monkeypatch.setitem(connections[using].settings_dict, "ATOMIC_REQUESTS", way[0] == "A")

    @reserve_jti(using=using)
    def view(request: Any) -> HttpResponse:
        Work.objects.using(using).create(name=str(Work.objects.using(using).count()))
        return HttpResponse(status=status)

    def around(request: Any) -> HttpResponse:
        with transaction.atomic(using):
            return view(request)

    client, sent = serve(around if way == AROUND else view), kind.sent()
    released = status == 400 and kind.case.releases_failures
    for again in (status, status if released else kind.case.replayed):
        assert client.post("/", **sent).status_code == again
    assert Work.objects.using(using).count() == (0 if released else 1)


def test_an_exception_that_a_framework_answers_releases(
    kind: Kind, using: str, serve: Callable[[Any], Client]
) -> None:
    """REST framework marks its response."""

    @reserve_jti(using=using)
    def view(request: Any) -> HttpResponse:
        Work.objects.using(using).create(name="work")
        response: Any = HttpResponse(status=403)
        response.exception = True
        return response  # type: ignore[no-any-return]

    client, sent = serve(view), kind.sent()
    assert [client.post("/", **sent).status_code for _ in range(2)] == [403, 403]
    assert not Work.objects.using(using).exists()
