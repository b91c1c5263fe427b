"""A COMMIT, ROLLBACK or close that ends oddly leaves nothing behind for what follows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import pytest
from django.db import OperationalError, connections, transaction

from jti_replay import Reservation, release_on_rollback, replay_cache
from jti_replay.signals import transaction_rolled_back
from tests.models import Work
from tests.rollback.attempts import Attempt
from tests.rollback.blocks import failing_block
from tests.rollback.broken_commits import interrupt
from tests.rollback.sessions import terminate
from tests.rollback.signals import connected

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class Odd(Exception):
    pass


@pytest.mark.parametrize("error", [KeyboardInterrupt, Odd])
@pytest.mark.parametrize("name", ["_commit", "_rollback"])
def test_an_odd_error_changes_nothing_and_is_forgotten(
    using: str, monkeypatch: pytest.MonkeyPatch, name: str, error: type[BaseException]
) -> None:
    """A later rollback does not release what a COMMIT with an odd end has kept."""
    connection = connections[using]
    original = getattr(connection, name)

    def end() -> NoReturn:
        original()
        raise error

    with suppress(error), transaction.atomic(using):
        assert release_on_rollback(replay_cache.reserve("a"), using)
        monkeypatch.setattr(connection, name, end)
        transaction.set_rollback(name == "_rollback", using=using)
    monkeypatch.undo()
    with failing_block(using):
        assert release_on_rollback(replay_cache.reserve("b"), using)
    assert bool(replay_cache.reserve("a")) is (name == "_rollback")
    assert replay_cache.reserve("b")


def test_a_doubt_is_over_with_its_transaction(postgres: str, other_session: Any) -> None:
    """A COMMIT whose outcome is unknown says nothing of the transactions that follow."""
    connection = connections[postgres]
    with suppress(OperationalError), transaction.atomic(postgres):
        assert release_on_rollback(replay_cache.reserve("a"), postgres)
        Work.objects.using(postgres).create(name="work")
        terminate(connection, other_session)
    connection.close()
    with transaction.atomic(postgres):
        assert release_on_rollback(replay_cache.reserve("b"), postgres)
        connection.close()
    assert replay_cache.reserve("a") is None
    assert replay_cache.reserve("b")


@pytest.mark.parametrize("is_committed", [False, True], ids=["closed", "hidden COMMIT"])
def test_a_connection_begins_without_a_doubt(fresh_connection: Any, is_committed: bool) -> None:
    """The first transaction that holds a reservation ends like any other."""
    with transaction.atomic():
        assert release_on_rollback(replay_cache.reserve("a"))
        if is_committed:
            fresh_connection.cursor().execute("COMMIT")
        fresh_connection.close()
    assert (replay_cache.reserve("a") is None) is is_committed


@pytest.mark.parametrize("happened", [False, True], ids=["before", "after"])
def test_an_interrupted_commit_of_a_manual_transaction_keeps(
    using: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    happened: bool,
) -> None:
    """Its outcome is unknown, so that a rollback that follows releases and blames nothing."""
    transaction.set_autocommit(False, using)
    try:
        assert release_on_rollback(replay_cache.reserve("a"), using)
        with monkeypatch.context() as patch:
            interrupt(patch, using, KeyboardInterrupt, happened=happened)
            with pytest.raises(KeyboardInterrupt):
                transaction.commit(using)
        transaction.rollback(using)
    finally:
        transaction.set_autocommit(True, using)
    assert replay_cache.reserve("a") is None
    assert "ended without Django" not in caplog.text


@pytest.mark.parametrize("using", ["default", "postgres"], indirect=True)
def test_a_rollback_that_fails_leaves_it_to_the_close(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django closes the connection then, which takes the work along."""

    def fail() -> NoReturn:
        raise OperationalError

    with monkeypatch.context() as patch, transaction.atomic(using):
        assert release_on_rollback(replay_cache.reserve("a"), using)
        Work.objects.using(using).create(name="work")
        patch.setattr(connections[using], "_rollback", fail)
        transaction.set_rollback(True, using=using)
    assert not Work.objects.using(using).exists()
    assert replay_cache.reserve("a")


def test_a_rollback_with_nothing_bound_is_believed(
    using: str, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no mark that could be missing."""
    with failing_block(using):
        assert release_on_rollback(replay_cache.reserve("a"), using)
    with failing_block(using):
        Work.objects.using(using).create(name="work")
    assert "ended without Django" not in caplog.text


def test_a_commit_of_a_closed_connection_is_nothing(using: str) -> None:
    """Django does nothing then, and no reservation is asked about."""
    with failing_block(using):
        assert release_on_rollback(replay_cache.reserve("a"), using)
    connections[using].close()
    connections[using].commit()
    assert replay_cache.reserve("a")


def test_a_refused_commit_leaves_no_doubt(make_attempt: Callable[..., Attempt]) -> None:
    """A commit() in a block was not even tried, so that a close still rolls back."""
    attempt = make_attempt("default")

    def work(reservation: Reservation) -> None:
        attempt.store()
        with pytest.raises(transaction.TransactionManagementError):
            transaction.commit()
        connections["default"].close()

    attempt.run(work)
    assert not attempt.stored()
    assert attempt.was_released()


def test_a_commit_keeps_for_good(using: str) -> None:
    """What a COMMIT has kept, a later transaction cannot release."""
    reservation = replay_cache.reserve("a")
    assert reservation
    with transaction.atomic(using):
        assert release_on_rollback(reservation, using)
    with failing_block(using):
        assert release_on_rollback(reservation, using)
    assert replay_cache.reserve("a") is None


def test_a_refused_query_leaves_the_flags_of_django(using: str) -> None:
    """A receiver of a rollback leaves the connection as Django had it."""
    connection = connections[using]
    names = ("in_atomic_block", "commit_on_exit", "needs_rollback")
    seen = []

    def flags() -> list[Any]:
        return [getattr(connection, name) for name in names]

    def receiver(**kwargs: Any) -> None:
        seen.append(flags())
        for savepoint in (False, True):
            refused = suppress(transaction.TransactionManagementError)
            with refused, transaction.atomic(using, savepoint=savepoint):
                Work.objects.using(using).create(name="refused")

    transaction.set_autocommit(False, using)
    try:
        with connected(transaction_rolled_back, receiver):
            assert release_on_rollback(replay_cache.reserve("a"), using)
            transaction.rollback(using)
            assert seen == [flags()]
    finally:
        transaction.set_autocommit(True, using)


def test_a_refused_rollback_leaves_the_savepoints(using: str) -> None:
    """Within a block, Django refuses rollback(), and the block goes on."""
    with failing_block(using):
        assert release_on_rollback(replay_cache.reserve("a"), using)
        with transaction.atomic(using):
            with pytest.raises(transaction.TransactionManagementError):
                transaction.rollback(using)
            Work.objects.using(using).create(name="inner")
        assert Work.objects.using(using).exists()
    assert replay_cache.reserve("a")


def test_a_close_in_memory_leaves_the_savepoints(transactional_db: None) -> None:
    """An in-memory database is not closed, and its transaction goes on."""
    with transaction.atomic("memory"):
        assert release_on_rollback(replay_cache.reserve("a"), "memory")
        with transaction.atomic("memory"):
            connections["memory"].close()
            Work.objects.using("memory").create(name="inner")
    assert Work.objects.using("memory").exists()
    assert replay_cache.reserve("a") is None
