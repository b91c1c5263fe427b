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
