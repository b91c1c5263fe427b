"""The transactions of a thread, shielded from the receivers of a signal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from django.db import Error, connections

from .driver import Savepoint

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

NAME = "jti_replay_receiver"
"""The savepoint around a query of a receiver."""

FLAGS = ("needs_rollback", "rollback_exc")
"""What an ORM call, an ``atomic()`` block or ``set_rollback()`` leaves changed."""


CONTROL = re.compile(r"\s*(?:ABORT|BEGIN|COMMIT|END|RELEASE|ROLLBACK|SAVEPOINT|START)\b", re.I)
"""Statements that a savepoint around them would disturb, such as those of ``atomic()``."""


class Shield:
    """
    Keeps receivers from dooming the transactions that are open in this thread.

    A query runs in a savepoint of its own, because PostgreSQL lets a transaction only roll
    back once a statement has failed. What marks a transaction for rollback is undone when the
    shield is lowered. A transaction that was doomed before stays doomed.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()

    def raise_(self) -> bool:
        """Shield the transactions that are open. Return whether there are any."""
        is_raised = False
        for connection in connections.all(initialized_only=True):
            if _is_in_transaction(connection):
                is_raised = True
                self._stack.enter_context(_shielded(connection))
        return is_raised

    def lower(self) -> None:
        """Leave the transactions as they were."""
        self._stack.close()


@contextmanager
def _shielded(connection: BaseDatabaseWrapper) -> Iterator[None]:
    flags = {name: getattr(connection, name) for name in FLAGS}
    queries = _Queries(connection, flags)
    try:
        with connection.execute_wrapper(queries.run):
            yield
    finally:
        if not connection.closed_in_transaction:
            _set(connection, flags)


class _Queries:
    """Runs the queries of receivers in a transaction."""

    def __init__(self, connection: Any, flags: dict[str, Any]) -> None:
        self._connection = connection
        self._flags = flags
        self._depth = len(connection.atomic_blocks)
        self._failed_in: object = None

    def run(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        """Run a query. If it fails, the transaction goes on."""
        if not _is_in_transaction(self._connection) or CONTROL.match(str(sql)):
            return execute(sql, params, many, context)  # A receiver may have closed it.
        if self._connection.needs_rollback and self._is_elsewhere():
            _set(self._connection, self._flags)
        savepoint = Savepoint(self._connection, NAME)
        try:
            savepoint.create()
        except Error:
            return execute(sql, params, many, context)  # It was doomed before.
        try:
            result = execute(sql, params, many, context)
        except BaseException:
            self._failed_in = self._block()
            with suppress(Error):
                savepoint.roll_back()
                savepoint.release()
            raise
        with suppress(Error):  # MySQL and MariaDB commit DDL, and the savepoint is gone.
            savepoint.release()
        return result

    def _is_elsewhere(self) -> bool:
        """
        Return whether what failed was not in the block of this query, but with another
        receiver for example, so that Django need not refuse the query.
        """
        return self._block() is None or self._block() is not self._failed_in

    def _block(self) -> object:
        """Return the outermost ``atomic()`` block that receivers have entered."""
        return next(iter(self._connection.atomic_blocks[self._depth :]), None)


def _set(connection: BaseDatabaseWrapper, flags: dict[str, Any]) -> None:
    for name, value in flags.items():
        setattr(connection, name, value)


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    if connection.in_atomic_block:
        return not connection.closed_in_transaction
    return connection.connection is not None and not connection.autocommit
