"""The tables in which :class:`~jti_replay.backends.database.DatabaseCache` keeps its jtis."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jti_replay.exceptions import CacheError

from .statements import Outcome, Row, Statements, statements_for

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

NAME = "jti_replay_reservedjti"
MEMORY_NAME = "jti_replay_memorystart"

POLL_INTERVAL = 0.02
"""Seconds after which a transaction is asked again whether it has ended."""


class Table:
    """
    Runs the statements, on the connection that it is given.

    ``timeout`` (seconds) is how long another transaction is waited for.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._prepared: Statements | None = None

    def reserve(self, connection: BaseDatabaseWrapper, row: Row, *, joined: bool) -> bool:
        """
        Insert a row if its digest is new. Return whether it was.

        ``joined`` says that a transaction is open on the connection. Without one, a
        connection that is lost is made anew, once: the row may stand already, and is then
        known by its owner. Raises :exc:`~jti_replay.CacheError` if another transaction
        decides, and does not end in time.
        """
        statements = self.statements(connection)
        give_up = time.monotonic() + self._timeout
        looked = reconnected = False
        while True:
            try:
                with connection.cursor() as cursor:
                    outcome = statements.execute_reserve(
                        cursor, row, joined=joined, looked=looked
                    )
            except Exception as error:
                if joined:
                    mark_for_rollback(connection, error)
                    raise
                in_time = time.monotonic() < give_up
                if in_time and not reconnected and _is_lost(connection):
                    reconnected = True
                    connection.close()
                    continue
                if not statements.lost_a_race(error):
                    raise
                outcome = Outcome.UNDECIDED
            if outcome is Outcome.NEW:
                return True
            if outcome is Outcome.SEEN:
                return False
            if outcome is Outcome.HIDDEN:
                looked = True
            elif time.monotonic() < give_up:
                time.sleep(POLL_INTERVAL)
            else:
                raise CacheError(
                    "Another transaction has reserved the jti, and has not ended within "
                    f"{self._timeout:g} seconds."
                )

    def change(self, connection: BaseDatabaseWrapper, name: str, parameters: list[Any]) -> int:
        """Run a statement that changes rows. Return of how many."""
        return self._run(connection, name, parameters, lambda cursor: int(cursor.rowcount))

    def number(self, connection: BaseDatabaseWrapper, name: str, parameters: list[Any]) -> int:
        """Run a statement that asks for a number."""
        return self._run(connection, name, parameters, lambda cursor: int(cursor.fetchone()[0]))

    def complete_since(self, connection: BaseDatabaseWrapper) -> int:
        """Return since when nothing is missing, in milliseconds since 1970, or 0."""
        return self.number(connection, "since", [])

    def start_memory(self, connection: BaseDatabaseWrapper) -> int:
        """
        Return since when nothing is missing, in milliseconds since 1970. That is now if it has
        not been noted, and 0 if it cannot be seen in this transaction.
        """
        since = self.complete_since(connection)
        if since:
            return since
        self.change(connection, "begin", [])
        return self.complete_since(connection)

    def statements(self, connection: BaseDatabaseWrapper) -> Statements:
        """Return the SQL that the database understands."""
        if self._prepared is None:
            self._prepared = statements_for(connection, NAME, MEMORY_NAME, self._timeout)
        return self._prepared

    def _run(
        self,
        connection: BaseDatabaseWrapper,
        name: str,
        parameters: list[Any],
        read: Callable[[Any], int],
    ) -> int:
        sql: str = getattr(self.statements(connection), name)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return read(cursor)
        except Exception as error:
            mark_for_rollback(connection, error)
            raise


def _is_lost(connection: BaseDatabaseWrapper) -> bool:
    return connection.connection is not None and not connection.is_usable()


def mark_for_rollback(connection: Any, error: Exception) -> None:
    """
    Let Django roll back: a statement that fails may have ended the transaction that it was in.

    As :func:`django.db.transaction.mark_for_rollback_on_error`, but for any connection.
    """
    if connection.in_atomic_block:
        connection.needs_rollback = True
        connection.rollback_exc = error
