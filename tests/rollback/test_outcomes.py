from __future__ import annotations

from operator import attrgetter
from typing import Any, NoReturn

import pytest
from django.db import IntegrityError, connections, transaction

from jti_replay import Reservation
from tests.rollback.attempts import Attempt
from tests.rollback.blocks import failing_block

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class WorkFailed(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [WorkFailed, SystemExit, KeyboardInterrupt, GeneratorExit],
    ids=attrgetter("__name__"),
)
def test_work_that_raises_gives_its_token_back(attempt: Attempt, error: Any) -> None:
    def work(reservation: Reservation) -> NoReturn:
        attempt.store()
        raise error

    assert isinstance(attempt.run(work), error)
    assert not attempt.stored()
    assert attempt.was_released()


def test_work_that_is_committed_uses_its_token_up(attempt: Attempt) -> None:
    assert attempt.run(lambda reservation: attempt.store()) is None
    assert attempt.stored()
    assert not attempt.was_released()


def test_set_rollback_and_a_normal_end_give_the_token_back(attempt: Attempt) -> None:
    def work(reservation: Reservation) -> None:
        attempt.store()
        transaction.set_rollback(True, using=attempt.using)

    assert attempt.run(work) is None
    assert not attempt.stored()
    assert attempt.was_released()


def test_a_swallowed_orm_error_gives_the_token_back(attempt: Attempt) -> None:
    def work(reservation: Reservation) -> None:
        attempt.store()
        with pytest.raises(IntegrityError):
            attempt.store()

    assert attempt.run(work) is None
    assert not attempt.stored()
    assert attempt.was_released()


def test_an_error_swallowed_around_an_inner_block_without_savepoint_gives_the_token_back(
    attempt: Attempt,
) -> None:
    def work(reservation: Reservation) -> None:
        attempt.store()
        with pytest.raises(WorkFailed), transaction.atomic(attempt.using, savepoint=False):
            raise WorkFailed

    assert attempt.run(work) is None
    assert not attempt.stored()
    assert attempt.was_released()


def test_an_error_swallowed_around_an_inner_block_with_a_savepoint_uses_the_token_up(
    attempt: Attempt,
) -> None:
    def work(reservation: Reservation) -> None:
        attempt.store()
        with failing_block(attempt.using):
            pass

    assert attempt.run(work) is None
    assert attempt.stored()
    assert not attempt.was_released()


def test_an_inner_commit_does_not_save_the_token_from_an_outer_rollback(
    attempt: Attempt,
) -> None:
    def work(reservation: Reservation) -> NoReturn:
        with transaction.atomic(attempt.using):
            attempt.store()
        raise WorkFailed

    assert isinstance(attempt.run(work), WorkFailed)
    assert not attempt.stored()
    assert attempt.was_released()


def test_on_postgresql_a_swallowed_sql_error_turns_commit_into_rollback_and_gives_back(
    postgres_attempt: Attempt,
) -> None:
    attempt = postgres_attempt

    def work(reservation: Reservation) -> None:
        attempt.store()
        cursor = connections[attempt.using].cursor()
        with pytest.raises(Exception, match="no_such_table"):
            cursor.execute("SELECT 1 FROM no_such_table")

    assert attempt.run(work) is None
    assert not attempt.stored()
    assert attempt.was_released()


def test_a_swallowed_sql_error_in_sqlite_does_not_end_the_transaction(
    make_attempt: Any, transactional_db: None
) -> None:
    attempt = make_attempt("default")

    def work(reservation: Reservation) -> None:
        attempt.store()
        with pytest.raises(Exception, match="no_such_table"):
            connections["default"].cursor().execute("SELECT 1 FROM no_such_table")

    assert attempt.run(work) is None
    assert attempt.stored()
    assert not attempt.was_released()
