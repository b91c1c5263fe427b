from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from django.db import connections, transaction

from jti_replay import Reservation, release_on_rollback, replay_cache
from jti_replay.signals import transaction_rolled_back
from tests.models import Work
from tests.rollback.attempts import Attempt
from tests.rollback.blocks import failing_block
from tests.rollback.signals import connected

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class WorkFailed(Exception):
    pass


class ReceiverFailed(Exception):
    pass


def fail(reservation: Reservation) -> NoReturn:
    raise WorkFailed


def test_it_tells_of_a_rollback_once_and_after_the_release(attempt: Attempt) -> None:
    told = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs)

    with connected(transaction_rolled_back, receiver):
        assert isinstance(attempt.run(fail), WorkFailed)
    (kwargs,) = told
    assert kwargs == {
        "signal": transaction_rolled_back,
        "sender": type(connections[attempt.using]),
        "using": attempt.using,
        "reservations": (attempt.reservation,),
        "savepoint": False,
    }


def test_it_tells_of_a_savepoint_that_rolled_back(using: str) -> None:
    told = []

    def receiver(**kwargs: Any) -> None:
        told.append((kwargs["savepoint"], [r.jti for r in kwargs["reservations"]]))

    with connected(transaction_rolled_back, receiver), transaction.atomic(using):
        assert release_on_rollback(replay_cache.reserve("outer"), using)
        with failing_block(using):
            assert release_on_rollback(replay_cache.reserve("1"), using)
            assert release_on_rollback(replay_cache.reserve("2"), using)
        assert told == [(True, ["1", "2"])]
        transaction.set_rollback(True, using=using)
    assert told == [(True, ["1", "2"]), (False, ["outer"])]


def test_nobody_is_told_of_a_commit_or_of_a_rollback_with_nothing_bound(using: str) -> None:
    def receiver(**kwargs: Any) -> None:
        pytest.fail("nothing was given back")

    def robust(**kwargs: Any) -> None:
        told.append(kwargs)

    told: list[Any] = []
    with connected(transaction_rolled_back, robust):
        with transaction.atomic(using):
            assert release_on_rollback(replay_cache.reserve("a"), using)
        with transaction.atomic(using):
            transaction.set_rollback(True, using=using)
    assert told == []


def test_a_receiver_that_raises_changes_nothing(
    attempt: Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    told = []

    def bad(**kwargs: Any) -> NoReturn:
        raise ReceiverFailed

    def good(**kwargs: Any) -> None:
        told.append(kwargs)

    with connected(transaction_rolled_back, bad), connected(transaction_rolled_back, good):
        assert isinstance(attempt.run(fail), WorkFailed)
    assert len(told) == 1
    assert "ReceiverFailed" in caplog.text
    assert connections[attempt.using].get_autocommit()
    attempt.store()
    assert attempt.was_released()


# Each is what a project might do to note in the database that something was rolled back.


def by_sql(using: str) -> None:
    connections[using].cursor().execute("SELECT 1")


def by_orm(using: str) -> None:
    Work.objects.using(using).create(name="note")


def by_orm_in_a_block(using: str) -> None:
    with transaction.atomic(using):
        Work.objects.using(using).create(name="note")


def by_orm_in_a_block_without_savepoint(using: str) -> None:
    with transaction.atomic(using, savepoint=False):
        Work.objects.using(using).create(name="note")


@pytest.fixture(params=[by_sql, by_orm, by_orm_in_a_block, by_orm_in_a_block_without_savepoint])
def refused(request: pytest.FixtureRequest, using: str) -> Iterator[list[Exception]]:
    """Connect a receiver that queries, and give the errors that it meets."""
    errors = []

    def receiver(**kwargs: Any) -> None:
        try:
            request.param(using)
        except Exception as error:
            errors.append(error)
            raise

    with connected(transaction_rolled_back, receiver):
        yield errors


def test_a_receiver_that_queries_is_refused_and_the_connection_stays_intact(
    attempt: Attempt, refused: list[Exception]
) -> None:
    assert isinstance(attempt.run(fail), WorkFailed)
    assert [type(error) for error in refused] == [transaction.TransactionManagementError]
    assert "must not query" in str(refused[0])
    connection = connections[attempt.using]
    assert connection.get_autocommit()
    assert not connection.in_atomic_block
    assert not attempt.stored("note")
    # It commits and rolls back as ever.
    with transaction.atomic(attempt.using):
        attempt.store("later")
    with failing_block(attempt.using):
        attempt.store("much later")
    assert attempt.stored("later")
    assert not attempt.stored("much later")
    assert attempt.was_released()


def test_after_a_savepoint_a_receiver_that_queries_does_not_break_the_outer_transaction(
    using: str, refused: list[Exception]
) -> None:
    with transaction.atomic(using):
        with failing_block(using):
            assert release_on_rollback(replay_cache.reserve("a"), using)
        assert len(refused) == 1
        Work.objects.using(using).create(name="outer")
    assert [work.name for work in Work.objects.using(using).all()] == ["outer"]
    assert connections[using].get_autocommit()
    assert replay_cache.reserve("a")


def test_in_manual_transactions_a_receiver_that_queries_leaves_them_manual(
    using: str, refused: list[Exception]
) -> None:
    transaction.set_autocommit(False, using)
    assert release_on_rollback(replay_cache.reserve("a"), using)
    transaction.rollback(using)
    assert len(refused) == 1
    assert not connections[using].in_atomic_block
    Work.objects.using(using).create(name="manual")
    transaction.commit(using)
    transaction.set_autocommit(True, using)
    assert Work.objects.using(using).exists()


def test_a_receiver_may_query_another_database(postgres: str) -> None:
    def receiver(using: str, **kwargs: Any) -> None:
        Work.objects.using("default").create(name=f"{using} rolled back")

    with connected(transaction_rolled_back, receiver), transaction.atomic(postgres):
        assert release_on_rollback(replay_cache.reserve("a"), postgres)
        transaction.set_rollback(True, using=postgres)
    assert Work.objects.using("default").get().name == "postgres rolled back"
