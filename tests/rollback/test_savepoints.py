from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction

from jti_replay import Reservation, release_on_rollback, replay_cache
from tests.models import Work
from tests.rollback.attempts import Attempt
from tests.rollback.blocks import BlockFailed, failing_block

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


# Its name since Django 6.1, and before.
make_savepoint = getattr(transaction, "savepoint_create", None) or transaction.savepoint


def reserve(jti: str, using: str) -> Reservation:
    """Reserve a jti and let it hang on the open transaction."""
    reservation = replay_cache.reserve(jti)
    assert reservation
    assert release_on_rollback(reservation, using)
    return reservation


def is_reserved(jti: str) -> bool:
    """Return whether a jti is held, without holding it from now on."""
    reservation = replay_cache.reserve(jti)
    return reservation is None or not reservation.release()


def test_a_rolled_back_savepoint_gives_back_at_once_what_was_reserved_in_it(
    attempt: Attempt,
) -> None:
    def work(reservation: Reservation) -> None:
        with failing_block(attempt.using):
            reserve("inner", attempt.using)
        assert not is_reserved("inner")
        attempt.store()

    assert attempt.run(work) is None
    assert attempt.stored()
    assert not attempt.was_released()


def test_a_view_within_a_savepoint_that_rolls_back_gives_its_token_back_at_once(
    make_attempt: Any, using: str
) -> None:
    attempt = make_attempt(using, "ATOMIC_REQUESTS")

    def work(reservation: Reservation) -> None:
        raise BlockFailed

    with transaction.atomic(using):
        reserve("outer", using)
        assert isinstance(attempt.run(work), BlockFailed)
        assert attempt.was_released()
    assert is_reserved("outer")


def test_of_nested_savepoints_each_gives_back_its_own(using: str) -> None:
    with transaction.atomic(using):
        reserve("0", using)
        with transaction.atomic(using):
            reserve("1", using)
            with failing_block(using):
                reserve("2", using)
                with transaction.atomic(using):
                    reserve("3", using)
            assert [is_reserved(jti) for jti in "0123"] == [True, True, False, False]
    assert [is_reserved(jti) for jti in "0123"] == [True, True, False, False]


def test_a_savepoint_made_by_hand_before_the_bind_gives_back(using: str) -> None:
    with transaction.atomic(using):
        savepoint = make_savepoint(using)
        reserve("later", using)
        transaction.savepoint_rollback(savepoint, using)
        assert not is_reserved("later")


def test_a_savepoint_made_by_hand_after_the_bind_keeps(using: str) -> None:
    with transaction.atomic(using):
        reserve("earlier", using)
        savepoint = make_savepoint(using)
        reserve("later", using)
        transaction.savepoint_rollback(savepoint, using)
        assert not is_reserved("later")
        assert is_reserved("earlier")
    assert is_reserved("earlier")


def test_a_savepoint_can_be_rolled_back_to_more_than_once(using: str) -> None:
    with transaction.atomic(using):
        reserve("earlier", using)
        savepoint = make_savepoint(using)
        for jti in ("first", "second"):
            reserve(jti, using)
            transaction.savepoint_rollback(savepoint, using)
            assert not is_reserved(jti)
    assert is_reserved("earlier")


def test_a_committed_savepoint_leaves_its_reservations_to_the_outer_one(using: str) -> None:
    with transaction.atomic(using):
        outer = make_savepoint(using)
        inner = make_savepoint(using)
        reserve("inner", using)
        transaction.savepoint_commit(inner, using)
        assert is_reserved("inner")
        transaction.savepoint_rollback(outer, using)
        assert not is_reserved("inner")


def test_names_of_savepoints_that_clean_savepoints_lets_recur_are_told_apart(
    using: str,
) -> None:
    with transaction.atomic(using):
        transaction.clean_savepoints(using)
        first = make_savepoint(using)
        reserve("between", using)
        transaction.clean_savepoints(using)
        second = make_savepoint(using)
        assert first == second
        reserve("later", using)
        transaction.savepoint_rollback(second, using)
        assert not is_reserved("later")
        assert is_reserved("between")
    assert is_reserved("between")


def test_names_of_savepoints_may_recur_in_a_later_transaction(using: str) -> None:
    """What is known of a savepoint ends with its transaction."""
    with transaction.atomic(using):
        reserve("earlier", using)
        transaction.clean_savepoints(using)
        first = make_savepoint(using)
    with transaction.atomic(using):
        transaction.clean_savepoints(using)
        assert make_savepoint(using) == first
        reserve("later", using)
        transaction.savepoint_rollback(first, using)
        assert not is_reserved("later")
    assert is_reserved("earlier")


@pytest.mark.parametrize("savepoint", [False, True], ids=["transaction", "savepoint"])
def test_a_rollback_gives_back_all_that_was_reserved(using: str, savepoint: bool) -> None:
    """One transaction, or one savepoint, may hold several reservations."""
    with transaction.atomic(using) if savepoint else nullcontext(), failing_block(using):
        for jti in "012":
            reserve(jti, using)
    assert not any(is_reserved(jti) for jti in "012")


def test_a_reservation_bound_twice_stands_with_the_outer_one(using: str) -> None:
    with transaction.atomic(using):
        reservation = reserve("twice", using)
        with failing_block(using):
            assert release_on_rollback(reservation, using)
        assert is_reserved("twice")
    assert is_reserved("twice")


def test_a_swallowed_orm_error_in_a_savepoint_gives_back_what_was_reserved_in_it(
    using: str,
) -> None:
    Work.objects.using(using).create(name="taken")
    with transaction.atomic(using):
        reserve("outer", using)
        with transaction.atomic(using):
            reserve("inner", using)
            with pytest.raises(IntegrityError):
                Work.objects.using(using).create(name="taken")
        assert not is_reserved("inner")
    assert is_reserved("outer")


def test_a_swallowed_sql_error_in_a_savepoint_on_postgresql_gives_back(postgres: str) -> None:
    with transaction.atomic(postgres):
        reserve("outer", postgres)
        block = transaction.atomic(postgres)
        block.__enter__()
        reserve("inner", postgres)
        with pytest.raises(DatabaseError, match="no_such_table"):
            connections[postgres].cursor().execute("SELECT 1 FROM no_such_table")
        # The savepoint cannot be committed, which Django lets out as an error.
        with pytest.raises(DatabaseError, match="aborted"):
            block.__exit__(None, None, None)
        assert not is_reserved("inner")
    assert is_reserved("outer")


def test_a_savepoint_made_in_sql_before_the_bind_is_unknown_and_keeps(postgres: str) -> None:
    with transaction.atomic(postgres):
        connections[postgres].cursor().execute("SAVEPOINT mine")
        reserve("a", postgres)
        transaction.savepoint_rollback("mine", postgres)
        assert is_reserved("a")
    assert is_reserved("a")


@pytest.mark.parametrize("using", ["default", "memory"])
def test_without_a_block_sqlite_ignores_a_rollback_to_a_savepoint_and_so_do_we(
    using: str,
) -> None:
    transaction.set_autocommit(False, using)
    try:
        with transaction.atomic(using):
            savepoint = make_savepoint(using)
            Work.objects.using(using).create(name="work")
            reserve("a", using)
        transaction.savepoint_rollback(savepoint, using)
        assert is_reserved("a")
        transaction.commit(using)
    finally:
        transaction.set_autocommit(True, using)
    assert Work.objects.using(using).exists()
    assert is_reserved("a")


def test_savepoints_that_the_database_does_not_have_give_nothing_back(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(connections[using].features), "uses_savepoints", False)
    transaction.set_autocommit(False, using)
    try:
        reserve("a", using)
        assert make_savepoint(using) is None
        transaction.savepoint_rollback("s1_x1", using)
        assert is_reserved("a")
        transaction.rollback(using)
    finally:
        transaction.set_autocommit(True, using)
    assert not is_reserved("a")
