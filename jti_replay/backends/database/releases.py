"""Where a row is deleted, so that a release that was reported stays true."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connections

from jti_replay.rollback.ledger import Ledger, Transaction
from jti_replay.rollback.query_block import is_blocked

from .joined_rows import JoinedRelease, find_joined_row, is_touched, leave_row
from .table import Table

if TYPE_CHECKING:
    from .connections import PrivateConnections

logger = logging.getLogger("jti_replay")


class Owner:
    """The owner of a row, and the transaction that inserted it, if it was in one."""

    __slots__ = ("is_released", "number", "transaction")

    def __init__(self, number: int, transaction: Transaction | None) -> None:
        self.number = number
        self.transaction = transaction
        self.is_released = False


class Releases:
    """
    Deletes rows of reservations that take part in transactions.

    A row of the open transaction is deleted in it, and goes with it. An older one would come
    back if the transaction rolled back later, so it is deleted on another connection. That
    would wait for the transaction if it has locked the row, and on SQLite, which has one
    writer, if it has written. There the row is deleted in the transaction, and once more after
    a rollback.
    """

    def __init__(self, location: str, table: Table, private: PrivateConnections) -> None:
        self._location = location
        self._table = table
        self._private_connections = private

    def release(self, digest: bytes, owner: Owner | None) -> bool:
        """Delete a live row of an owner, or of any. Return whether there was one."""
        if owner is None:
            return self._release(digest, None, None)
        if owner.is_released:
            return False
        owner.is_released = self._release(digest, owner.number, owner.transaction)
        return owner.is_released

    def _release(
        self, digest: bytes, number: int | None, transaction: Transaction | None
    ) -> bool:
        connection = connections[self._location]
        has_ended = is_blocked(connection)  # A transaction, or a savepoint.
        if has_ended and transaction and transaction.rolled_back:
            return True  # The row went with it.
        if not self._is_open(connection, has_ended):
            if has_ended:
                return self._release_after_end(connection, digest, number)
            return self._table.release(connection, digest, number, joined=False)
        row = find_joined_row(connection, digest)
        if row and number in (None, row.owner):
            return self._release_within(connection, digest, row.owner, None)
        if transaction and transaction is Ledger.of(connection).transaction:
            return has_ended  # The row went with a savepoint, or was released before.
        is_beside = self._table.statements(connection).writes_beside
        if is_beside and not is_touched(connection, digest):
            return self._release_beside(digest, number)
        again = partial(self._release_again, connection, digest, number)
        return self._release_within(connection, digest, number, again)

    def _is_open(self, connection: Any, has_ended: bool) -> bool:
        if has_ended and connection.vendor == "sqlite":
            return not is_closed(connection) and connection.connection.in_transaction
        return in_transaction(connection)

    def _release_beside(self, digest: bytes, number: int | None) -> bool:
        with self._private_connections.use() as connection:
            return self._table.release(connection, digest, number, joined=False)

    def _release_within(
        self,
        connection: Any,
        digest: bytes,
        number: int | None,
        after_rollback: Callable[[], object] | None,
    ) -> bool:
        delete = partial(self._delete, connection, digest, number)
        if is_blocked(connection):
            freed = delete()
        else:
            freed = self._table.release(connection, digest, number, joined=True)
        if freed:
            leave_row(connection, digest)
            repeated = JoinedRelease(connection, delete, after_rollback)
            Ledger.of(connection).participants.add(repeated)
        return freed

    def _release_after_end(self, connection: Any, digest: bytes, number: int | None) -> bool:
        if is_closed(connection):
            return self._release_beside(digest, number)
        freed = self._delete(connection, digest, number)
        connection.connection.commit()  # Autocommit may still be off.
        return freed

    def _release_again(self, connection: Any, digest: bytes, number: int | None) -> None:
        try:
            self._release_after_end(connection, digest, number)
        except Exception as error:
            logger.error(
                "A jti that was released in a transaction is reserved again: %s", error
            )

    def _delete(self, connection: Any, digest: bytes, number: int | None) -> bool:
        # Django refuses queries of its own at the end of a transaction, and of a savepoint.
        with connection.wrap_database_errors, closing(connection.create_cursor()) as cursor:
            return self._table.delete(connection, cursor, digest, number)


def in_transaction(connection: Any) -> bool:
    """Return whether a statement that is sent now is part of a transaction."""
    return bool(connection.in_atomic_block or not connection.get_autocommit())


def is_closed(connection: Any) -> bool:
    """Return whether Django has closed a connection, also one within its atomic block."""
    return connection.connection is None or connection.closed_in_transaction
