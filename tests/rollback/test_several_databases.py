from __future__ import annotations

from itertools import permutations

import pytest
from django.db import transaction

from jti_replay import release_on_rollback, replay_cache
from tests.rollback.blocks import failing_block

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.usefixtures("postgres"),
]

PAIRS = list(permutations(["default", "memory", "postgres"], 2))


@pytest.mark.parametrize(("bound", "other"), PAIRS)
def test_a_rollback_of_another_database_keeps(bound: str, other: str) -> None:
    with transaction.atomic(bound):
        assert release_on_rollback(replay_cache.reserve("a"), bound)
        with failing_block(other):
            # This one too has a ledger, with another reservation.
            assert release_on_rollback(replay_cache.reserve("b"), other)
        assert replay_cache.reserve("b")
    assert replay_cache.reserve("a") is None


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
@pytest.mark.parametrize("outer_fails", [False, True])
@pytest.mark.parametrize("inner_fails", [False, True])
def test_of_several_databases_all_must_roll_back(
    outer: str, inner: str, outer_fails: bool, inner_fails: bool
) -> None:
    reservation = replay_cache.reserve("a")
    assert reservation
    with transaction.atomic(outer):
        with transaction.atomic(inner):
            assert release_on_rollback(reservation, outer)
            assert release_on_rollback(reservation, inner)
            transaction.set_rollback(inner_fails, using=inner)
        # Whatever the inner one did, the outer one is still to be heard.
        assert replay_cache.count() == 1
        transaction.set_rollback(outer_fails, using=outer)
    assert (replay_cache.reserve("a") is not None) is (outer_fails and inner_fails)


def test_a_savepoint_of_one_waits_for_the_other(using: str) -> None:
    other = "default" if using != "default" else "memory"
    reservation = replay_cache.reserve("a")
    assert reservation
    with transaction.atomic(using):
        with transaction.atomic(other), failing_block(other):
            assert release_on_rollback(reservation, using)
            assert release_on_rollback(reservation, other)
        assert replay_cache.count() == 1
        transaction.set_rollback(True, using=using)
    assert replay_cache.reserve("a")


def test_a_reservation_once_committed_is_kept_for_good(using: str) -> None:
    reservation = replay_cache.reserve("a")
    assert reservation
    with transaction.atomic(using):
        assert release_on_rollback(reservation, using)
    with transaction.atomic(using):
        assert release_on_rollback(reservation, using)
        transaction.set_rollback(True, using=using)
    assert replay_cache.reserve("a") is None
