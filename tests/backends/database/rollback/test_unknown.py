"""
What no other cache can know when a transaction ends badly: whether the work was done. Here
the row of the jti shares the fate of the work.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connections, transaction

from jti_replay import Reservation, release_on_rollback, replay_cache
from tests.models import Work
from tests.rollback.attempts import Attempt
from tests.rollback.broken_commits import chain, interrupt, lose_the_reply
from tests.rollback.sessions import terminate

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(params=["decorator"])
def joined_attempt(
    request: pytest.FixtureRequest, postgres: str, use_cache: Any, make_attempt: Any
) -> Attempt:
    """An attempt on PostgreSQL, with a cache that joins its transaction."""
    use_cache(postgres)
    return make_attempt(postgres, request.param)


def test_a_connection_lost_at_commit_takes_work_and_jti_along(
    joined_attempt: Attempt, other_session: Any
) -> None:
    def work(reservation: Reservation) -> None:
        joined_attempt.store()
        terminate(connections[joined_attempt.using], other_session)

    assert isinstance(joined_attempt.run(work), OperationalError)
    assert not joined_attempt.stored()
    assert joined_attempt.was_released()


def test_a_connection_lost_before_commit_and_noticed_takes_work_and_jti_along(
    joined_attempt: Attempt, other_session: Any
) -> None:
    def work(reservation: Reservation) -> None:
        joined_attempt.store()
        terminate(connections[joined_attempt.using], other_session)
        joined_attempt.store("more work")

    assert isinstance(joined_attempt.run(work), OperationalError)
    assert not joined_attempt.stored()
    assert joined_attempt.was_released()


def test_a_commit_whose_reply_was_lost_leaves_work_and_jti(
    joined_attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(reservation: Reservation) -> None:
        joined_attempt.store()
        lose_the_reply(monkeypatch, joined_attempt.using)

    assert isinstance(joined_attempt.run(work), OperationalError)
    monkeypatch.undo()
    connections[joined_attempt.using].close()
    assert joined_attempt.stored()
    assert not joined_attempt.was_released()


@pytest.mark.parametrize("happened", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, InterfaceError])
def test_an_interrupted_commit_leaves_both_or_neither(
    using: str,
    make_attempt: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: Any,
    happened: bool,
) -> None:
    attempt = make_attempt(using, "decorator")

    def work(reservation: Reservation) -> None:
        attempt.store()
        interrupt(monkeypatch, using, error, happened=happened)

    raised = attempt.run(work)
    monkeypatch.undo()
    connections[using].close()
    assert any(isinstance(each, error) for each in chain(raised))
    assert attempt.was_released() is not attempt.stored()


def test_a_connection_that_the_view_closes_takes_work_and_jti_along(attempt: Attempt) -> None:
    def work(reservation: Reservation) -> None:
        attempt.store()
        connections[attempt.using].close()

    attempt.run(work)
    connections[attempt.using].close()
    assert not attempt.stored()
    assert attempt.was_released()


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_manual_transactions_follow_commit_and_rollback(using: str, end: str) -> None:
    transaction.set_autocommit(False, using)
    try:
        reservation = replay_cache.reserve("a")
        assert reservation
        assert release_on_rollback(reservation, using)
        Work.objects.using(using).create(name="work")
        getattr(transaction, end)(using)
    finally:
        transaction.set_autocommit(True, using)
    assert Work.objects.using(using).exists() is (end == "commit")
    assert (replay_cache.reserve("a") is None) is (end == "commit")
