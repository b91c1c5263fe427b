from __future__ import annotations

from typing import Any, NoReturn

import pytest
from django.db import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    transaction,
)

from jti_replay import Reservation
from tests.models import Step
from tests.rollback.attempts import Attempt
from tests.rollback.broken_commits import (
    chain,
    conflict,
    interrupt,
    lose_the_reply,
    serializable,
)
from tests.rollback.sessions import terminate

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_a_constraint_that_fails_at_commit_gives_the_token_back(attempt: Attempt) -> None:
    def work(reservation: Reservation) -> None:
        attempt.store()
        Step.objects.using(attempt.using).create(work_id=12345)

    assert isinstance(attempt.run(work), IntegrityError)
    assert not attempt.stored()
    assert attempt.was_released()


def test_a_serialization_failure_at_commit_gives_the_token_back(
    postgres_attempt: Attempt, other_session: Any
) -> None:
    attempt = postgres_attempt

    def work(reservation: Reservation) -> None:
        conflict(attempt.using, other_session)

    with serializable(attempt.using):
        error = attempt.run(work)
    assert isinstance(error, OperationalError)
    assert error.__cause__.sqlstate == "40001"
    assert not attempt.stored()
    assert attempt.was_released()


def test_a_connection_lost_at_commit_leaves_the_token_used_up(
    postgres_attempt: Attempt, other_session: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The loss is to blame, and not a COMMIT without Django."""
    attempt = postgres_attempt

    def work(reservation: Reservation) -> None:
        attempt.store()
        terminate(connections[attempt.using], other_session)

    assert isinstance(attempt.run(work), OperationalError)
    assert not attempt.was_released()
    assert "ended without Django" not in caplog.text


def test_a_commit_whose_reply_was_lost_leaves_the_token_used_up(
    postgres_attempt: Attempt, other_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = postgres_attempt

    def work(reservation: Reservation) -> None:
        attempt.store()
        lose_the_reply(monkeypatch, attempt.using)

    # psycopg cannot set autocommit on a connection that is closed, nor will Django.
    assert isinstance(attempt.run(work), OperationalError)
    monkeypatch.undo()
    connections[attempt.using].close()
    assert attempt.stored()
    assert not attempt.was_released()


@pytest.mark.parametrize("happened", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, InterfaceError])
def test_an_interrupted_commit_leaves_the_token_used_up(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch, error: Any, happened: bool
) -> None:
    def work(reservation: Reservation) -> None:
        attempt.store()
        interrupt(monkeypatch, attempt.using, error, happened=happened)

    raised = attempt.run(work)
    monkeypatch.undo()
    connections[attempt.using].close()
    assert any(isinstance(each, error) for each in chain(raised))
    assert not attempt.was_released()


def test_a_rollback_that_is_interrupted_at_its_end_releases(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark on the transaction is gone, so that it is sure that the work is, too."""
    connection = connections[attempt.using]
    rollback = connection._rollback

    def interrupted_rollback() -> None:
        rollback()
        raise KeyboardInterrupt

    def work(reservation: Reservation) -> None:
        monkeypatch.setattr(connection, "_rollback", interrupted_rollback)
        transaction.set_rollback(True, using=attempt.using)

    assert isinstance(attempt.run(work), KeyboardInterrupt)
    monkeypatch.undo()
    assert attempt.was_released()


def test_a_rollback_that_is_interrupted_before_it_happens_settles_nothing(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What becomes of the work decides: on SQLite Django commits it then."""
    connection = connections[attempt.using]

    def interrupted_rollback() -> NoReturn:
        raise KeyboardInterrupt

    def work(reservation: Reservation) -> None:
        attempt.store()
        monkeypatch.setattr(connection, "_rollback", interrupted_rollback)
        transaction.set_rollback(True, using=attempt.using)

    assert attempt.run(work) is not None
    monkeypatch.undo()
    connection.close()
    assert attempt.was_released() is not attempt.stored()


def test_a_release_that_is_interrupted_is_made_up_for(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Exception of a signal handler looks to Django as if a receiver had failed."""
    release = Reservation.release
    interruptions = iter([RuntimeError("a time limit")])

    def interrupted_release(reservation: Reservation) -> bool:
        for error in interruptions:
            raise error
        return release(reservation)

    def work(reservation: Reservation) -> None:
        monkeypatch.setattr(Reservation, "release", interrupted_release)
        transaction.set_rollback(True, using=attempt.using)

    assert attempt.run(work) is None
    monkeypatch.undo()
    assert attempt.was_released()


def test_a_commit_that_is_refused_in_a_block_settles_nothing(attempt: Attempt) -> None:
    def work(reservation: Reservation) -> None:
        with pytest.raises(transaction.TransactionManagementError):
            transaction.commit(attempt.using)
        with pytest.raises(transaction.TransactionManagementError):
            transaction.rollback(attempt.using)
        transaction.set_rollback(True, using=attempt.using)

    assert attempt.run(work) is None
    assert attempt.was_released()


def test_a_doubt_is_not_lifted_by_a_second_commit_that_fails(
    make_attempt: Any, postgres: str, other_session: Any
) -> None:
    attempt = make_attempt(postgres, "decorator")
    connection = connections[postgres]

    def work(reservation: Reservation) -> None:
        attempt.store()
        terminate(connection, other_session)
        for _ in range(2):
            with pytest.raises(DatabaseError):
                connection.commit()

    transaction.set_autocommit(False, postgres)
    assert attempt.run(work) is None
    connection.close()
    assert not attempt.was_released()
    connection.close()
