"""
Marks on a transaction, by which it is known from any later one.

A COMMIT in SQL, on the driver's connection or implied by DDL ends a transaction without
Django. The driver opens the next one by itself, and a ROLLBACK of that one succeeds. So the
transaction gets a mark that goes when it ends, and the mark is looked for before a ROLLBACK is
believed.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.db import Error

from jti_replay.reservation.driver import Savepoint, execute

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

NAME = "jti_replay_bound"
"""The savepoint that marks a transaction."""

PROBE = "jti_replay_probe"
"""The savepoint that shows whether a statement ended the transaction."""

SETTING = "default_transaction_read_only"
"""
A setting whose value PostgreSQL 14 and later report to the driver whenever it changes. It is
read when a transaction begins, so that it does nothing to the one in which it is set.
"""

ENDS_NOTHING = re.compile(
    r"\s*(?:SET\s+STATEMENT\b[^;]*?\bFOR\s+)?(?:DELETE|EXPLAIN|INSERT|RELEASE|REPLACE|ROLLBACK\s+TO|SAVEPOINT|SELECT|SHOW|UPDATE"
    r"|WITH)\b[^;]*;?\s*",
    re.IGNORECASE,
)
"""Statements of MySQL and MariaDB that imply no COMMIT."""

NO_SUCH_SAVEPOINT = 1305
"""What MySQL and MariaDB answer if a savepoint is not there (ER_SP_DOES_NOT_EXIST)."""


DEADLOCK = 1213
"""What they answer to the transaction that a deadlock has rolled back (ER_LOCK_DEADLOCK)."""

DOOMED = (3, 4)
"""
What libpq says of a transaction that can only roll back: a statement of it has failed
(PQTRANS_INERROR), or the connection is known to be lost (PQTRANS_UNKNOWN).
"""


class Mark:
    """
    A mark on the open transaction of a connection: a savepoint.

    It is gone once the transaction has ended, and when a savepoint that is older than it is
    released or rolled back to.
    """

    is_free = False
    """Whether :meth:`is_there` asks the driver alone, and not the server."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self._savepoint = Savepoint(connection, NAME)

    def put(self) -> None:
        """Mark the open transaction. Raises :exc:`~django.db.Error` if that fails."""
        driver: Any = self.connection.connection
        if self.connection.vendor == "sqlite" and not driver.in_transaction:
            # The first savepoint would begin a transaction, and its RELEASE would commit it.
            execute(self.connection, "BEGIN")
        self._savepoint.create()

    def put_again(self) -> None:
        """Mark the transaction once more after a savepoint has been released."""
        self._savepoint.create()

    def remove(self) -> None:
        """Stop looking after the mark."""

    def is_there(self) -> bool:
        """
        Return whether the transaction is still open.

        If the connection is lost, return whether it was open until then. Savepoints that are
        younger than the mark may be gone afterwards: it must be about to end.
        """
        try:
            self._savepoint.release()
            self._savepoint.create()
        except Error:
            return False
        return True

    def is_doomed(self) -> bool:
        """Return whether the driver knows that the transaction can only roll back."""
        return False


class MySQLMark(Mark):
    """
    A savepoint that is looked for after statements, too.

    Nothing can be asked once the connection is lost, and a deadlock rolls the transaction back
    and begins the next one, in silence.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        self._was_lost = False

    def put(self) -> None:
        """Mark the open transaction, and watch the statements that follow."""
        # Django takes the last wrapper off when a block of execute_wrapper() ends.
        self.connection.execute_wrappers.insert(0, self._watch)
        super().put()

    def remove(self) -> None:
        """Stop watching."""
        self._was_lost = False
        with suppress(ValueError):
            self.connection.execute_wrappers.remove(self._watch)

    def is_there(self) -> bool:
        """Return whether the transaction is open, or was open until the connection was lost."""
        if self._was_lost:
            return False
        try:
            self._savepoint.release()
            self._savepoint.create()
        except Error as error:
            return bool(error.args[0] != NO_SUCH_SAVEPOINT)
        return True

    def _watch(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        probe = None if ENDS_NOTHING.fullmatch(str(sql)) else self._new_probe()
        try:
            return execute(sql, params, many, context)
        except Error as error:
            if error.args[0] == DEADLOCK:
                # All of it has been rolled back, so that nothing was committed. It goes on.
                self._savepoint.create()
            raise
        finally:
            if probe:
                try:
                    probe.release()
                except Error:
                    self._was_lost = True

    def _new_probe(self) -> Savepoint | None:
        probe = Savepoint(self.connection, PROBE)
        try:
            probe.create()
        except Error:
            return None  # The connection is lost, so that the statement will not run.
        return probe


class PostgreSQLMark(Mark):
    """
    A setting of the transaction that is reported to the driver.

    To look for it costs nothing, and works after an error, after a COMMIT that failed and
    after the loss of the connection.
    """

    is_free = True

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._value = ""
        self._errors: type[Exception] = connection.Database.Error

    def put(self) -> None:
        """Change the setting until the end of the transaction."""
        self._value = "off" if self._reported() == "on" else "on"
        # A statement that fails undoes the setting, unless a savepoint is in between.
        savepoint = self.connection.ops.savepoint_create_sql(NAME)
        # Two statements cannot be prepared, which psycopg 3 may be told to do with all.
        options = {"prepare": False} if hasattr(self._driver, "prepare_threshold") else {}
        execute(self.connection, f"SET LOCAL {SETTING} = {self._value}; {savepoint}", **options)

    def is_there(self) -> bool:
        """Return whether the transaction is open, or was open until the connection was lost."""
        return self._reported() == self._value

    def is_doomed(self) -> bool:
        """Return whether a statement has failed, or the connection is known to be lost."""
        return self._driver is not None and self._driver.info.transaction_status in DOOMED

    def _reported(self) -> str | None:
        try:
            value: str | None = self._driver.info.parameter_status(SETTING)
        except self._errors:
            return None  # The driver's connection has been closed.
        return value

    @property
    def _driver(self) -> Any:
        return self.connection.connection


def mark_for(connection: BaseDatabaseWrapper) -> Mark:
    """Return what marks the transactions of a connection."""
    if connection.vendor == "postgresql":
        return PostgreSQLMark(connection)
    if connection.vendor == "mysql":
        return MySQLMark(connection)
    return Mark(connection)
