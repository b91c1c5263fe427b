"""The transactions of a thread, shielded from the receivers of a signal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from django.db import Error, connections
from django.db.transaction import TransactionManagementError

from .driver import Savepoint

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

NAME = "jti_replay_receiver"
"""The savepoint around a query of a receiver."""

FLAGS = ("needs_rollback", "rollback_exc")
"""What an ORM call, an ``atomic()`` block or ``set_rollback()`` leaves changed."""


CONTROL = re.compile(r"\s*(?:BEGIN|RELEASE|ROLLBACK|SAVEPOINT|START)\b", re.I)
"""Statements that a savepoint around them would disturb, such as those of ``atomic()``."""

ENDING = re.compile(
    r"\s*(?:ABORT|COMMIT|END|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO\b))\b", re.I
)
"""Statements that end a transaction, and not only a savepoint."""

ENDING_METHODS = ("close", "commit", "rollback", "set_autocommit")
"""The methods of a connection that end a transaction."""


class Shield:
    """
    Keeps receivers from dooming or ending the transactions that are open in this thread.

    A query runs in a savepoint of its own, because PostgreSQL lets a transaction only roll
    back once a statement has failed. What marks a transaction for rollback is undone when the
    shield is lowered. A transaction that was doomed before stays doomed. What would end a
    transaction raises :exc:`~django.db.transaction.TransactionManagementError`.
    """

    def __init__(self) -> None:
        self.is_lowered = False
        self._stack = ExitStack()

    def raise_(self) -> bool:
        """Shield the transactions that are open. Return whether there are any."""
        in_transaction = [
            connection
            for connection in connections.all(initialized_only=True)
            if _is_in_transaction(connection)
        ]
        for connection in in_transaction:
            self._stack.enter_context(_shielded(connection, self))
        return bool(in_transaction)

    def lower(self) -> None:
        """
        Leave the transactions as they were.

        May be called again if a signal handler's exception has interrupted it. What is left
        on a connection then does nothing.
        """
        self.is_lowered = True
        self._stack.close()


@contextmanager
def _shielded(connection: BaseDatabaseWrapper, shield: Shield) -> Iterator[None]:
    flags = {name: getattr(connection, name) for name in FLAGS}
    queries = _Queries(connection, flags, shield)
    try:
        with connection.execute_wrapper(queries.run), _kept_open(connection, shield):
            yield
    finally:
        _set(connection, flags)


@contextmanager
def _kept_open(connection: Any, shield: Shield) -> Iterator[None]:
    own = vars(connection)
    before = {name: own.get(name) for name in ENDING_METHODS}

    def call(name: str, *args: Any, **kwargs: Any) -> None:
        if not shield.is_lowered:
            _refuse_end()
        # What a receiver has wrapped meanwhile is called later, too.
        (before[name] or getattr(type(connection), name).__get__(connection))(*args, **kwargs)

    guards = {name: partial(call, name) for name in ENDING_METHODS}
    own.update(guards)
    try:
        yield
    finally:
        for name, guard in guards.items():
            if own.get(name) is not guard:
                continue
            del own[name]
            if before[name] is not None:
                own[name] = before[name]


def _refuse_end() -> NoReturn:
    raise TransactionManagementError(
        "A receiver of a signal must not end the transaction in which the signal is sent."
    )


class _Queries:
    """Runs the queries of receivers in a transaction."""

    def __init__(self, connection: Any, flags: dict[str, Any], shield: Shield) -> None:
        self._shield = shield
        self._connection = connection
        self._flags = flags
        self._depth = len(connection.atomic_blocks)
        self._failed_in: object = None

    def run(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        """Run a query. If it fails, the transaction goes on."""
        if self._shield.is_lowered:
            return execute(sql, params, many, context)
        if ENDING.match(str(sql)):
            _refuse_end()
        if CONTROL.match(str(sql)):
            return execute(sql, params, many, context)
        if self._is_elsewhere():
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
