"""Rows that were reserved or released in the open transaction of a connection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from jti_replay.exceptions import ReservationLost
from jti_replay.rollback.ledger import Ledger

from .statements import Statements

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class JoinedRow:
    """A row that is inserted by the open transaction, and goes if that rolls back."""

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        statements: Statements,
        digest: bytes,
        owner: int,
    ) -> None:
        self.digest = digest
        self.owner = owner
        self._connection = connection
        self._statements = statements

    def before_commit(self) -> None:
        """Raise :exc:`~jti_replay.ReservationLost` if the server has removed the row."""
        connection = self._connection
        if not self._statements.commit_can_lose_rows and Ledger.of(connection).is_open():
            return
        parameters = {"digest": self.digest, "owner": self.owner}
        with connection.wrap_database_errors, closing(connection.create_cursor()) as cursor:
            cursor.execute(self._statements.own, parameters)
            if cursor.fetchone()[0]:
                return
        raise ReservationLost(
            "The transaction in which the jti was reserved has been rolled back, because of a "
            "deadlock, a lock that was not free in time, or a ROLLBACK without Django. What "
            "was done after that is rolled back too. Retry the whole request, not a part of it."
        )

    def rolled_back(self, *, savepoint: bool) -> None:
        """Do nothing: the row is gone."""


class TouchedRow:
    """A row of another reservation that the open transaction has locked."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest

    def before_commit(self) -> None:
        """Do nothing: the row is not of the transaction."""

    def rolled_back(self, *, savepoint: bool) -> None:
        """Do nothing: what was locked is free."""


class JoinedRelease:
    """
    A row that is deleted in the open transaction, and again if a rollback brings it back.

    ``after_rollback`` deletes a row that is older than the transaction once that has ended.
    It is None for a row of the transaction itself, which goes with it.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        delete: Callable[[], object],
        after_rollback: Callable[[], object] | None,
    ) -> None:
        self._connection = connection
        self._delete = delete
        self._after_rollback = after_rollback

    def before_commit(self) -> None:
        """Do nothing: a COMMIT makes the release final."""

    def rolled_back(self, *, savepoint: bool) -> None:
        """Delete the row once more."""
        if savepoint:
            # An outer savepoint may roll back too, and if this fails, so must the transaction.
            Ledger.of(self._connection).participants.add(self)
            self._delete()
        elif self._after_rollback is not None:
            self._after_rollback()


def join_row(
    connection: BaseDatabaseWrapper, statements: Statements, digest: bytes, owner: int
) -> None:
    """Note that the open transaction has inserted a row."""
    leave_row(connection, digest)  # It had expired, within the transaction.
    row = JoinedRow(connection, statements, digest, owner)
    Ledger.of(connection).participants.add(row)


def leave_row(connection: BaseDatabaseWrapper, digest: bytes) -> None:
    """Note that a row of the open transaction is gone."""
    if row := find_joined_row(connection, digest):
        Ledger.of(connection).participants.remove(row)


def touch_row(connection: BaseDatabaseWrapper, digest: bytes) -> None:
    """Note that the open transaction has locked a row of another reservation."""
    Ledger.of(connection).participants.add(TouchedRow(digest))


def is_touched(connection: BaseDatabaseWrapper, digest: bytes) -> bool:
    """Return whether the open transaction has locked a row of another reservation."""
    return any(
        isinstance(participant, TouchedRow) and participant.digest == digest
        for participant in Ledger.of(connection).participants
    )


def find_joined_row(connection: BaseDatabaseWrapper, digest: bytes) -> JoinedRow | None:
    """Return the row with a digest that the open transaction has inserted, if it has."""
    for participant in Ledger.of(connection).participants:
        if isinstance(participant, JoinedRow) and participant.digest == digest:
            return participant
    return None
