"""Ways to end a transaction of which Django knows nothing, and what may follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from django.db import Error, connections, transaction

from jti_replay import Reservation
from tests.rollback.attempts import Attempt

WAYS: dict[str, dict[str, Callable[[Any], object]]] = {
    "sqlite": {
        "executescript": lambda cursor: cursor.executescript("SELECT 1;"),
        "script that begins": lambda cursor: cursor.executescript("BEGIN;"),
        "SQL": lambda cursor: cursor.execute("COMMIT"),
        "driver": lambda cursor: cursor.db.connection.commit(),
    },
    "postgresql": {
        "SQL": lambda cursor: cursor.execute("COMMIT"),
        "SQL that begins": lambda cursor: cursor.execute("COMMIT; BEGIN"),
        "AND CHAIN": lambda cursor: cursor.execute("COMMIT AND CHAIN"),
        "driver": lambda cursor: cursor.db.connection.commit(),
    },
    "mysql": {
        "TRUNCATE": lambda cursor: cursor.execute("TRUNCATE TABLE tests_step"),
        "DDL that fails": lambda cursor: cursor.execute("CREATE TABLE tests_step (n INTEGER)"),
        "LOCK TABLES": lambda cursor: cursor.execute("LOCK TABLES tests_work WRITE"),
        "SQL": lambda cursor: cursor.execute("/* at once */ COMMIT"),
        "driver": lambda cursor: cursor.db.connection.commit(),
    },
}


class WorkFailed(Exception):
    pass


def nothing(attempt: Attempt) -> None:
    """Go on to the end."""


def more_work(attempt: Attempt) -> None:
    """Do some more work, which the driver begins a transaction for."""
    attempt.store("more")


def swallowed_error(attempt: Attempt) -> None:
    """Let a statement fail, after which PostgreSQL only rolls back."""
    try:
        connections[attempt.using].cursor().execute("SELECT 1 FROM no_such_table")
    except Error:
        pass


def raises(attempt: Attempt) -> NoReturn:
    raise WorkFailed


def set_rollback(attempt: Attempt) -> None:
    transaction.set_rollback(True, using=attempt.using)


def close(attempt: Attempt) -> None:
    connections[attempt.using].close()


FOLLOWED_BY = (nothing, more_work, swallowed_error)
ENDS = (raises, set_rollback, close)


def work_with_hidden_end(
    attempt: Attempt,
    way: str,
    *then: Callable[[Attempt], None],
) -> Callable[[Reservation], None]:
    """Return work that is committed behind Django's back, and fails afterwards."""
    connection = connections[attempt.using]

    def work(reservation: Reservation) -> None:
        attempt.store()
        try:
            with connection.cursor() as cursor:
                WAYS[connection.vendor][way](cursor)
        except Error:
            assert way == "DDL that fails"
        for step in then:
            step(attempt)

    return work
