"""A COMMIT behind Django's back is not taken for a rollback."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NoReturn

import pytest
from django.db import connections, transaction

from jti_replay import Reservation, release_on_rollback, replay_cache
from tests.models import Step, Work
from tests.rollback.attempts import Attempt
from tests.rollback.blocks import failing_block
from tests.rollback.hidden_ends import (
    ENDS,
    FOLLOWED_BY,
    WAYS,
    more_work,
    raises,
    set_rollback,
    work_with_hidden_end,
)
from tests.rollback.sessions import terminate
from tests.rollback.test_savepoints import make_savepoint

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

SQLITE = [("default", way) for way in WAYS["sqlite"]]
POSTGRESQL = [("postgres", way) for way in WAYS["postgresql"]]
IN_MEMORY = [("memory", "executescript")]


@pytest.fixture(params=SQLITE + IN_MEMORY + POSTGRESQL, ids="-".join)
def way(request: pytest.FixtureRequest, transactional_db: None) -> tuple[str, str]:
    """A database and a way to commit behind Django's back there."""
    if request.param[0] == "postgres":
        request.getfixturevalue("postgres")
    using, way = request.param
    return using, way


@pytest.mark.parametrize("end", ENDS, ids=attrgetter("__name__"))
@pytest.mark.parametrize("then", FOLLOWED_BY, ids=attrgetter("__name__"))
def test_a_hidden_commit_uses_the_token_up(
    way: tuple[str, str],
    make_attempt: Callable[..., Attempt],
    then: Any,
    end: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A token whose work was committed behind Django's back is not accepted again."""
    attempt = make_attempt(way[0], "decorator")
    attempt.run(work_with_hidden_end(attempt, way[1], then, end))
    connections[way[0]].close()
    assert attempt.stored()
    assert not attempt.was_released()
    if way[0] != "memory" or end.__name__ != "close":
        assert "ended without Django" in caplog.text


def test_manual_transactions_know_a_hidden_commit(way: tuple[str, str]) -> None:
    """With autocommit off, rollback() releases nothing that was committed."""
    using, hidden = way
    transaction.set_autocommit(False, using)
    try:
        assert release_on_rollback(replay_cache.reserve("a"), using)
        Work.objects.using(using).create(name="work")
        WAYS[connections[using].vendor][hidden](connections[using].cursor())
        Work.objects.using(using).create(name="more")
        transaction.rollback(using)
    finally:
        transaction.set_autocommit(True, using)
    assert [work.name for work in Work.objects.using(using).all()] == ["work"]
    assert replay_cache.reserve("a") is None


def test_a_bind_after_a_hidden_commit_holds(
    way: tuple[str, str], make_attempt: Callable[..., Attempt]
) -> None:
    """What is bound in the transaction that follows a hidden COMMIT goes with that one."""
    connection = connections[way[0]]
    attempt = make_attempt(way[0])
    with failing_block(attempt.using):
        WAYS[connection.vendor][way[1]](connection.cursor())
        assert release_on_rollback(replay_cache.reserve("a"), attempt.using)
        attempt.store()
    connection.close()
    assert not attempt.stored()
    assert replay_cache.reserve("a")


def test_a_hidden_commit_in_a_savepoint_uses_the_token_up(
    way: tuple[str, str], make_attempt: Callable[..., Attempt]
) -> None:
    """A savepoint that is gone was not rolled back, nor was what it was in."""
    attempt = make_attempt(way[0])
    with failing_block(way[0]), failing_block(way[0]):
        reservation = replay_cache.reserve("a")
        assert reservation
        assert release_on_rollback(reservation, way[0])
        work_with_hidden_end(attempt, way[1], more_work)(reservation)
    connections[way[0]].close()
    assert attempt.stored()
    assert replay_cache.reserve("a") is None


def test_an_interrupted_rollback_does_not_hide_it(
    way: tuple[str, str], make_attempt: Callable[..., Attempt], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler may raise when the rollback of a later transaction is done."""
    connection = connections[way[0]]
    rollback = connection._rollback
    attempt = make_attempt(way[0], "decorator")

    def interrupted_rollback() -> NoReturn:
        rollback()
        raise KeyboardInterrupt

    monkeypatch.setattr(connection, "_rollback", interrupted_rollback)
    error = attempt.run(work_with_hidden_end(attempt, way[1], set_rollback))
    assert isinstance(error, KeyboardInterrupt)
    monkeypatch.undo()
    connection.close()
    assert attempt.stored()
    assert not attempt.was_released()


def test_a_savepoint_in_sql_does_not_hide_it(
    way: tuple[str, str], make_attempt: Callable[..., Attempt]
) -> None:
    """It may be one of a later transaction."""
    attempt = make_attempt(way[0], "decorator")

    def savepoint(attempt: Attempt) -> None:
        connections[way[0]].cursor().execute("SAVEPOINT mine")
        transaction.savepoint_commit("mine", way[0])

    attempt.run(work_with_hidden_end(attempt, way[1], savepoint, raises))
    connections[way[0]].close()
    assert attempt.stored()
    assert not attempt.was_released()


@pytest.mark.parametrize("using", ["default", "memory"])
def test_a_savepoint_that_sqlite_ignores_does_not_hide_it(using: str) -> None:
    """Without a block there are no savepoints to commit, and nothing is proved by one."""
    transaction.set_autocommit(False, using)
    try:
        with transaction.atomic(using):
            savepoint = make_savepoint(using)
            assert release_on_rollback(replay_cache.reserve("a"), using)
            Work.objects.using(using).create(name="work")
        connections[using].cursor().execute("COMMIT")
        transaction.savepoint_commit(savepoint, using)
        transaction.rollback(using)
    finally:
        transaction.set_autocommit(True, using)
    assert Work.objects.using(using).exists()
    assert replay_cache.reserve("a") is None


@pytest.mark.parametrize("hidden", WAYS["postgresql"])
def test_a_hidden_commit_before_a_failing_one_uses_the_token_up(
    hidden: str, postgres: str, make_attempt: Callable[..., Attempt]
) -> None:
    """The COMMIT that fails is that of a later transaction."""
    attempt = make_attempt(postgres, "decorator")

    def broken_constraint(attempt: Attempt) -> None:
        Step.objects.using(attempt.using).create(work_id=12345)

    attempt.run(work_with_hidden_end(attempt, hidden, broken_constraint))
    assert attempt.stored()
    assert not attempt.was_released()


@pytest.mark.parametrize("hidden", WAYS["postgresql"])
def test_a_hidden_commit_before_a_lost_connection_uses_the_token_up(
    hidden: str, postgres: str, make_attempt: Callable[..., Attempt], other_session: Any
) -> None:
    """A server that is gone has rolled back a later transaction at most."""
    attempt = make_attempt(postgres, "decorator")

    def lost(attempt: Attempt) -> None:
        terminate(connections[postgres], other_session)
        attempt.store("noticed")

    attempt.run(work_with_hidden_end(attempt, hidden, lost))
    connections[postgres].close()
    assert attempt.stored()
    assert not attempt.was_released()


def test_a_failed_statement_after_an_inner_block_releases(postgres: str) -> None:
    """The mark of a transaction outlives the savepoint in which it was put."""
    with transaction.atomic(postgres):
        with transaction.atomic(postgres):
            assert release_on_rollback(replay_cache.reserve("a"), postgres)
        with pytest.raises(Exception, match="no_such_table"):
            connections[postgres].cursor().execute("SELECT 1 FROM no_such_table")
    assert replay_cache.reserve("a")


def test_a_bind_to_a_lost_connection_raises_and_releases(
    postgres: str, other_session: Any
) -> None:
    """Nothing can have been committed by a connection that was lost before the bind."""
    connections[postgres].ensure_connection()
    terminate(connections[postgres], other_session)
    reservation: Reservation | None = replay_cache.reserve("a")
    assert reservation
    with pytest.raises(Exception, match="terminat"), transaction.atomic(postgres):
        release_on_rollback(reservation, postgres)
    connections[postgres].close()
    assert replay_cache.reserve("a")


def test_a_driver_that_was_closed_tells_nothing(
    postgres: str, make_attempt: Callable[..., Attempt]
) -> None:
    """Whether the transaction was open until then is not known."""
    attempt = make_attempt(postgres, "decorator")

    def work(reservation: Reservation) -> None:
        connections[postgres].connection.close()
        attempt.store()

    assert attempt.run(work) is not None
    connections[postgres].close()
    assert not attempt.was_released()
