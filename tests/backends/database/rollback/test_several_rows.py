"""What is known of the rows of a transaction ends with it, or with a savepoint."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from django.db import connections, transaction

from jti_replay import release_on_rollback, replay_cache
from jti_replay.rollback.ledger import Ledger
from tests.backends.database.rollback.test_bound import reserve
from tests.rollback.blocks import failing_block
from tests.rollback.test_savepoints import make_savepoint

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_rows_of_an_earlier_transaction_are_older(using: str) -> None:
    """The rollback of a later one does not bring them back once they are released."""
    with transaction.atomic(using):
        earlier = [reserve(jti) for jti in "abc"]
    with failing_block(using):
        for reservation in earlier:
            assert reservation.release()
    assert all(replay_cache.reserve(jti) for jti in "abc")


def test_a_savepoint_brings_none_of_several_back(using: str) -> None:
    """A release that was reported stays true for each of them."""
    older = [reserve(jti) for jti in "abc"]
    with transaction.atomic(using), failing_block(using):
        for reservation in older:
            assert reservation.release()
    assert all(replay_cache.reserve(jti) for jti in "abc")


def test_a_rollback_in_sql_brings_nothing_back(using: str) -> None:
    """Also if Django's own ROLLBACK, of the next transaction, is not believed."""
    older = reserve("older")
    with failing_block(using):
        release_on_rollback(reserve("new"), using)
        assert older.release()
        connections[using].cursor().execute("ROLLBACK")
    assert replay_cache.reserve("older")


def test_a_savepoint_whose_name_recurs_is_another_one(using: str) -> None:
    """What was there when one of an earlier transaction was made does not matter."""
    older = reserve("older")
    with transaction.atomic(using):
        reserve("a")
        transaction.clean_savepoints(using)
        savepoint = make_savepoint(using)
    with transaction.atomic(using):
        transaction.clean_savepoints(using)
        assert make_savepoint(using) == savepoint
        assert older.release()
        transaction.savepoint_rollback(savepoint, using)
    assert replay_cache.reserve("older")


def test_a_row_that_goes_leaves_those_before_a_savepoint(using: str) -> None:
    """What was reserved before the savepoint is there when that is rolled back to."""
    with transaction.atomic(using):
        kept = reserve("kept")
        savepoint = make_savepoint(using)
        assert reserve("later").release()
        transaction.savepoint_rollback(savepoint, using)
        assert kept.release()
    assert replay_cache.reserve("kept")


def test_an_interrupted_rollback_brings_nothing_back(using: str) -> None:
    """A signal handler may raise once the server has rolled back."""
    older = reserve("older")
    tracing = sys.gettrace()

    def strike(frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code is Ledger._end.__code__:
            sys.settrace(tracing)
            raise KeyboardInterrupt

    def roll_back() -> None:
        with transaction.atomic(using):
            assert older.release()
            transaction.set_rollback(True, using=using)
            sys.settrace(strike)

    with pytest.raises(KeyboardInterrupt):
        roll_back()
    sys.settrace(tracing)  # Python takes one off that raises.
    assert replay_cache.reserve("older")
