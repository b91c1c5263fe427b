"""How a reservation that is part of a transaction is told of, bound and released."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections, transaction
from django.db.backends.signals import connection_created

from jti_replay import Reservation, ReservationLost, release_on_rollback, replay_cache
from jti_replay.signals import jti_released, transaction_rolled_back
from tests.backends.database.conftest import UseCache
from tests.rollback.blocks import failing_block
from tests.rollback.signals import connected

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def reserve(jti: str) -> Reservation:
    reservation = replay_cache.reserve(jti)
    assert reservation
    return reservation


def is_reserved(jti: str) -> bool:
    """Return whether a jti is held, without holding it from now on."""
    reservation = replay_cache.reserve(jti)
    return reservation is None or not reservation.release()


@pytest.fixture
def released() -> Any:
    """The reservations that were released, in their order."""
    told: list[Any] = []

    def receiver(reservation: Any, **kwargs: Any) -> None:
        told.append(reservation)

    with connected(jti_released, receiver):
        yield told


@pytest.mark.parametrize("savepoint", [False, True], ids=["transaction", "savepoint"])
def test_a_rollback_is_told_like_that_of_any_other_cache(
    using: str, released: list[Any], savepoint: bool
) -> None:
    rollbacks: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        rollbacks.append((kwargs["using"], kwargs["reservations"], kwargs["savepoint"]))

    with connected(transaction_rolled_back, receiver):
        if savepoint:
            with transaction.atomic(using), failing_block(using):
                reservation = reserve("a")
                assert release_on_rollback(reservation, using)
        else:
            with failing_block(using):
                reservation = reserve("a")
                assert release_on_rollback(reservation, using)
    assert rollbacks == [(using, (reservation,), savepoint)]
    assert released == [reservation]
    assert reservation.release() is False
    assert not is_reserved("a")


def test_a_release_by_digest_is_told_with_that_digest(using: str) -> None:
    """Operators know no more of a jti."""
    told: list[str] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs["digest"])

    cache: Any = replay_cache
    reservation = reserve("a")
    with connected(jti_released, receiver):
        assert cache.release_digest(cache.key("", "a").digest, "")
    assert told == [reservation.digest]


def test_a_rollback_needs_no_second_connection(using: str) -> None:
    connections[using].ensure_connection()
    made: list[Any] = []

    def receiver(connection: Any, **kwargs: Any) -> None:
        made.append(connection)

    with connected(connection_created, receiver):
        with failing_block(using):
            assert release_on_rollback(reserve("a"), using)
        with transaction.atomic(using), failing_block(using):
            assert release_on_rollback(reserve("b"), using)
    assert made == []


def test_one_that_is_not_bound_goes_too_and_nobody_is_told(
    using: str, released: list[Any]
) -> None:
    with failing_block(using):
        reservation = reserve("a")
    assert reservation.release() is False
    assert released == []
    assert not is_reserved("a")


def test_one_that_was_reserved_before_the_savepoint_it_is_bound_in_is_released_with_that(
    using: str, released: list[Any]
) -> None:
    with transaction.atomic(using):
        reservation, other = reserve("a"), reserve("other")
        with failing_block(using):
            assert release_on_rollback(reservation, using)
        assert not is_reserved("a")
    assert reservation in released
    assert not is_reserved("a")
    assert is_reserved("other")
    assert other.release() is True


def test_one_that_was_committed_is_released_with_a_later_transaction(using: str) -> None:
    with transaction.atomic(using):
        reservation = reserve("a")
    with failing_block(using):
        assert release_on_rollback(reservation, using)
    assert not is_reserved("a")


def test_one_that_was_bound_and_committed_is_kept_for_good(using: str) -> None:
    with transaction.atomic(using):
        reservation = reserve("a")
        assert release_on_rollback(reservation, using)
    with failing_block(using):
        assert release_on_rollback(reservation, using)
    assert is_reserved("a")


def test_one_that_was_reserved_before_any_transaction_is_released(using: str) -> None:
    reservation = reserve("a")
    assert release_on_rollback(reservation, using) is False
    with failing_block(using):
        assert release_on_rollback(reservation, using)
    assert not is_reserved("a")


def test_one_that_is_bound_to_a_second_database_stands_if_its_own_commits(using: str) -> None:
    with transaction.atomic(using):
        reservation = reserve("a")
        assert release_on_rollback(reservation, using)
        with failing_block("memory"):
            assert release_on_rollback(reservation, "memory")
    assert is_reserved("a")


def test_one_that_is_released_by_hand_is_not_released_again(
    using: str, released: list[Any]
) -> None:
    with transaction.atomic(using):
        reservation = reserve("a")
        assert reservation.release() is True
        assert not is_reserved("a")
    assert released[0] is reservation
    assert not is_reserved("a")


def test_a_receiver_can_reserve_on_a_connection_beside_the_one_that_rolled_back(
    using: str,
) -> None:
    taken: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        taken.append(replay_cache.reserve("of the receiver"))

    with connected(transaction_rolled_back, receiver), failing_block(using):
        assert release_on_rollback(reserve("a"), using)
    assert taken[0]
    assert is_reserved("of the receiver")
    assert taken[0].release() is True


@pytest.mark.parametrize("alias", ["default", "postgres"])
def test_a_cache_that_does_not_join_is_released_by_the_signal(
    alias: str, use_cache: UseCache, postgres: str, released: list[Any]
) -> None:
    use_cache(alias, join=False)
    with transaction.atomic(alias):
        reservation = reserve("a")
        with failing_block(alias):
            kept = reserve("kept")
        assert release_on_rollback(reservation, alias)
        transaction.set_rollback(True, using=alias)
    assert released == [reservation]
    assert not is_reserved("a")
    assert is_reserved("kept")
    assert kept.release() is True


def test_work_after_a_rollback_in_sql_is_not_committed(using: str) -> None:
    """The jti went with the ROLLBACK, so that nothing pays for the work that follows."""

    def work() -> None:
        with transaction.atomic(using):
            release_on_rollback(reserve("a"), using)
            connections[using].cursor().execute("ROLLBACK")

    with pytest.raises(ReservationLost):
        work()
    assert not is_reserved("a")


def test_work_after_a_commit_in_sql_is_committed(using: str) -> None:
    """The jti was committed, too, and stays reserved."""
    with transaction.atomic(using):
        release_on_rollback(reserve("a"), using)
        connections[using].cursor().execute("COMMIT")
    assert is_reserved("a")
