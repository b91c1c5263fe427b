"""The table in which :class:`~jti_replay.backends.database.DatabaseCache` keeps its jtis."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.db import Error

from jti_replay.exceptions import CacheError

from .joined_rows import find_joined_row, touch_row
from .statements import Outcome, Row, Statements, statements_for

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from .connections import PrivateConnections

UNDECIDED = "Another transaction has touched the jti, and has not ended within {:g} seconds."

POLL_INTERVAL = 0.02
"""Seconds after which a transaction is asked again whether it has ended."""

Attempt = Callable[[Any, float], Outcome]
"""What is tried with a cursor. It may wait for so many seconds."""


class Table:
    """
    Runs the statements, on the connection that it is given.

    ``timeout`` (seconds) is how long another transaction is waited for. What is hidden from a
    transaction is looked for on one of ``private_connections``, where that is the only way.
    """

    def __init__(self, private_connections: PrivateConnections, timeout: float) -> None:
        self._private_connections = private_connections
        self._timeout = timeout
        self._prepared: Statements | None = None

    def reserve(
        self,
        connection: BaseDatabaseWrapper,
        row: Row,
        *,
        joined: bool,
        on_unknown: Callable[[], None],
    ) -> bool:
        """
        Insert a row if its digest is new. Return whether it was.

        ``joined`` says that a transaction is open on the connection. Without one, a
        connection that is lost is made again, once: the row may stand already, and is then
        known by its owner. ``on_unknown`` is called where the call fails and the row may
        stand outside a transaction.

        Raises :exc:`~jti_replay.CacheError` if another transaction decides, and does not end
        in time.
        """
        statements = self.statements(connection)
        give_up = time.monotonic() + self._timeout
        looked = False

        def attempt(cursor: Any, wait: float) -> Outcome:
            return statements.execute_reserve(
                cursor, row, wait=wait, joined=joined, looked=looked
            )

        try:
            while True:
                outcome = self._settle(
                    connection, attempt, give_up, joined=joined, on_unknown=on_unknown
                )
                if outcome is Outcome.HELD and joined:
                    touch_row(connection, row.digest)
                if outcome is not Outcome.HIDDEN:
                    return outcome is Outcome.DONE
                looked = True
                # A look from outside would wait for a row of this transaction itself.
                is_own = find_joined_row(connection, row.digest) is not None
                if not is_own and self._look(statements, row.digest, give_up):
                    return False
        except Error as error:
            if (
                joined
                and statements.met_a_hidden_row(error)
                and self._look(statements, row.digest, give_up)
            ):
                return False  # The transaction has ended, but this is what decided.
            raise

    def release(
        self,
        connection: BaseDatabaseWrapper,
        digest: bytes,
        owner: int | None,
        *,
        joined: bool,
    ) -> bool:
        """
        Delete a row if it is live and the owner's, or any live one if ``owner`` is None.
        Return whether there was one. ``joined`` and the errors are those of :meth:`reserve`.
        """
        statements = self.statements(connection)

        def attempt(cursor: Any, wait: float) -> Outcome:
            return statements.execute_release(cursor, digest, owner, wait=wait, joined=joined)

        give_up = time.monotonic() + self._timeout
        return self._settle(connection, attempt, give_up, joined=joined) is Outcome.DONE

    def delete(
        self, connection: BaseDatabaseWrapper, cursor: Any, digest: bytes, owner: int | None
    ) -> bool:
        """Release a row that no other transaction can have touched, with a driver's cursor."""
        statements = self.statements(connection)
        return (
            statements.execute_release(cursor, digest, owner, wait=0, joined=True)
            is Outcome.DONE
        )

    def purge(self, connection: BaseDatabaseWrapper, batch: int) -> int:
        """Delete at most ``batch`` expired rows that nothing locks. Return their number."""
        statements = self.statements(connection)
        return self._run(connection, lambda cursor: statements.execute_purge(cursor, batch))

    def number(self, connection: BaseDatabaseWrapper, name: str) -> int:
        """Run the statement of a name that asks for a number."""
        sql: str = getattr(self.statements(connection), name)

        def ask(cursor: Any) -> int:
            cursor.execute(sql)
            return int(cursor.fetchone()[0])

        return self._run(connection, ask)

    def start_memory(self, connection: BaseDatabaseWrapper) -> int:
        """
        Return since when nothing is missing, in milliseconds since 1970. That is now if it has
        not been noted, and 0 if it cannot be seen in this transaction.
        """
        since = self.number(connection, "since")
        if since:
            return since
        self._change_memory(connection, "begin")
        return self.number(connection, "since")

    def restart_memory(self, connection: BaseDatabaseWrapper) -> None:
        """Note that nothing is known of what came before now."""
        self.start_memory(connection)
        self._change_memory(connection, "restart_memory")

    def statements(self, connection: BaseDatabaseWrapper) -> Statements:
        """Return the SQL that the database understands."""
        if self._prepared is None:
            self._prepared = statements_for(connection)
        return self._prepared

    def _change_memory(self, connection: BaseDatabaseWrapper, name: str) -> None:
        sql: str = getattr(self.statements(connection), name)
        self._run(connection, lambda cursor: int(bool(cursor.execute(sql))))

    def _look(self, statements: Statements, digest: bytes, give_up: float) -> bool:
        if not statements.looks_beside:
            return False
        with self._private_connections.use() as connection, connection.cursor() as cursor:
            return statements.execute_look(cursor, digest, wait=_left(give_up))

    def _settle(
        self,
        connection: BaseDatabaseWrapper,
        attempt: Attempt,
        give_up: float,
        *,
        joined: bool,
        on_unknown: Callable[[], None] | None = None,
    ) -> Outcome:
        """
        Try until there is an outcome, or it is time to give up.

        ``on_unknown`` says that what was tried may be tried again on a new connection.
        """
        statements = self.statements(connection)
        is_unknown = was_sent = False
        try:
            while True:
                try:
                    with connection.cursor() as cursor:
                        was_sent = True
                        outcome = attempt(cursor, _left(give_up))
                    was_sent = False
                except Error as error:
                    if joined:
                        raise
                    if was_sent and _is_lost(connection):
                        is_late = time.monotonic() >= give_up
                        if is_unknown or is_late or on_unknown is None:
                            raise
                        is_unknown = True
                        connection.close()
                        continue
                    was_sent = False
                    if not statements.lost_a_race(error):
                        raise
                    outcome = Outcome.UNDECIDED
                if outcome is not Outcome.UNDECIDED:
                    return outcome
                if time.monotonic() >= give_up:
                    raise CacheError(UNDECIDED.format(self._timeout))
                time.sleep(POLL_INTERVAL)
        except BaseException as error:
            if joined:
                mark_for_rollback(connection, error)
            elif was_sent or is_unknown:
                _drop(connection)
                if on_unknown is not None:
                    on_unknown()
            raise

    def _run(self, connection: BaseDatabaseWrapper, work: Callable[[Any], int]) -> int:
        try:
            with connection.cursor() as cursor:
                return work(cursor)
        except BaseException as error:
            mark_for_rollback(connection, error)
            raise


def _left(give_up: float) -> float:
    return max(0.0, give_up - time.monotonic())


def _is_lost(connection: BaseDatabaseWrapper) -> bool:
    return connection.connection is not None and not connection.is_usable()


def _drop(connection: BaseDatabaseWrapper) -> None:
    # It may be in the middle of an answer.
    with suppress(Exception):
        connection.close()


def mark_for_rollback(connection: Any, error: BaseException) -> None:
    """
    Let Django roll back: a statement that fails may have ended the transaction that it was in.

    As :func:`django.db.transaction.mark_for_rollback_on_error`, but for any connection.
    """
    if connection.in_atomic_block:
        connection.needs_rollback = True
        connection.rollback_exc = error
