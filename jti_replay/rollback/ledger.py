"""
The reservations that are bound to the open transaction of a database connection, and what
becomes of them when it ends.

Django has no hook for a rollback, but each end of a transaction goes through a few public
methods of the connection. A connection that holds reservations has these methods wrapped: on
that one object, from its first reservation on. Nothing is patched globally.

Whatever is unsure is kept. The client then needs a new token.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, Error, InterfaceError, OperationalError
from django.db.transaction import TransactionManagementError

from .bound_transactions import BoundTransactions
from .participants import Participants
from .receivers import release_all, send_rolled_back
from .transaction_marks import mark_for
from .wrapped_methods import wrap_method

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from jti_replay.reservation import Reservation

logger = logging.getLogger("jti_replay")

ATTRIBUTE = "jti_replay_ledger"
"""The attribute of a connection that holds its ledger."""

DJANGO_SAVEPOINT = re.compile(r"s\d+_x\d+")
"""The names that Django gives to savepoints."""


class Transaction:
    """A transaction of a connection, and whether it is known to have rolled back."""

    __slots__ = ("rolled_back",)

    def __init__(self) -> None:
        self.rolled_back = False


class Ledger:
    """The reservations that are bound to the open transaction of a connection, oldest first."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        # The open transaction, or else the next one.
        self.transaction = Transaction()
        # What stores have a part of in it.
        self.participants = Participants()
        self._connection = connection
        self._pid = os.getpid()
        self._reservations: list[Reservation] = []
        # How many there were when a savepoint was made: rolling back to it takes the others.
        self._savepoints: dict[str, int] = {}
        # It tells the transaction that holds the oldest reservation from later ones.
        self._mark = mark_for(connection)
        # Whether that transaction is known to have been open when the connection was lost,
        # or when a COMMIT failed.
        self._was_open = False
        # Whether a COMMIT has failed, so that it may have been carried out or not.
        self._in_doubt = False
        for name, method in (
            ("commit", self._commit),
            ("rollback", self._rollback),
            ("close", self._close),
            ("savepoint", self._savepoint),
            ("savepoint_rollback", self._savepoint_rollback),
            ("savepoint_commit", self._savepoint_commit),
            ("set_autocommit", self._set_autocommit),
        ):
            wrap_method(connection, name, self._unless_forked(method))

    @classmethod
    def of(cls, connection: BaseDatabaseWrapper) -> Ledger:
        """Return the ledger of a connection, made when the first one asks for it."""
        ledger: Ledger | None = getattr(connection, ATTRIBUTE, None)
        if ledger is None:
            ledger = cls(connection)
            setattr(connection, ATTRIBUTE, ledger)
        ledger._leave_to_parent()
        return ledger

    def add(self, reservation: Reservation) -> None:
        """
        Bind a reservation to the open transaction.

        Raises :exc:`~django.db.Error` if the connection is lost or a statement has failed. A
        rollback then releases the reservation only if the connection is lost.
        """
        if not BoundTransactions.of(reservation).add(self):
            return
        self._reservations.append(reservation)
        if len(self._reservations) == 1:
            try:
                self._mark.put()
            except (InterfaceError, OperationalError):
                self._was_open = True  # Nothing can be committed by it any more.
                raise

    # What stands in for the methods of the connection.

    def _commit(self, original: Callable[[], None]) -> None:
        self.participants.before_commit()
        # PostgreSQL answers COMMIT with ROLLBACK, and no error, if a statement has failed.
        is_doomed = self._mark.is_doomed()
        # The others leave the transaction open when a COMMIT fails, so that it can be asked.
        was_open = self.is_open() if self._mark.is_free else self._was_open
        try:
            original()
        except TransactionManagementError:
            raise  # It was not even tried.
        except DatabaseError:
            # Django goes on with rollback(), which will tell.
            self._in_doubt = self._in_doubt or not is_doomed
            self._was_open = was_open
            raise
        except BaseException:
            self._keep()
            raise
        if is_doomed:
            self._end(rolled_back=was_open)
        else:
            self._keep()

    def _rollback(self, original: Callable[[], None]) -> None:
        # Django refuses it in a block, which has savepoints that the question would cost.
        was_open = not self._connection.in_atomic_block and self.is_open()
        is_done = False
        try:
            original()
            is_done = True
            self._end(rolled_back=was_open)
        except Error:
            raise  # Django goes on with close() or set_autocommit().
        except BaseException:
            # A signal handler's, which may come once the server has rolled back.
            if was_open and (is_done or not self.is_open()):
                self._end(rolled_back=True)
            raise

    def _close(self, original: Callable[[], None]) -> None:
        # An in-memory SQLite database does not close, so that its transaction goes on.
        was_open = not self._is_in_memory() and self.is_open()
        try:
            original()
        finally:
            if self._is_closed():
                self._end(rolled_back=was_open and not self._in_doubt)

    def _savepoint(self, original: Callable[[], str | None]) -> str | None:
        sid = original()
        if sid is not None:
            self.participants.mark(sid)
            if self._reservations:
                self._savepoints[sid] = len(self._reservations)
        return sid

    def _savepoint_rollback(self, original: Callable[[str], None], sid: str) -> None:
        is_allowed = self._is_savepoint_allowed()
        original(sid)  # It fails if the transaction of the savepoint has ended.
        # Else nothing was done, or by a savepoint of which it is not known when it was made.
        if is_allowed and _is_named_by_django(sid):
            undo = partial(self.participants.roll_back_to, sid)
            # If it is not known, it was made when there was no reservation yet.
            self._give_back(self._savepoints.get(sid, 0), undo, savepoint=True)

    def _savepoint_commit(self, original: Callable[[str], None], sid: str) -> None:
        is_allowed = self._is_savepoint_allowed()
        original(sid)
        is_older = sid not in self._savepoints and _is_named_by_django(sid)
        if self._reservations and is_allowed and is_older:
            # The mark was made within it, and is gone with it. The transaction is not: that
            # there was something to release proves it.
            self._mark.put_again()

    def _set_autocommit(self, original: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        self.participants.before_commit()
        original(*args, **kwargs)
        # To some databases this is a COMMIT. What is still open has not been rolled back.
        self._keep()

    # What becomes of the reservations.

    def _forget(self, first: int = 0) -> None:
        del self._reservations[first:]
        if not first:
            self._savepoints.clear()
            self._was_open = self._in_doubt = False
            self._mark.remove()

    def _end(self, *, rolled_back: bool) -> None:
        if rolled_back:
            self.transaction.rolled_back = True
            self.transaction = Transaction()
            self._give_back(0, self.participants.roll_back, savepoint=False)
            return
        if not self._in_doubt:
            logger.warning(
                "A transaction on the database %r was ended without Django, by a COMMIT in SQL "
                "or of the driver, or by DDL. Its rollback is not believed: jtis that are "
                "bound to it stay reserved until they expire. Leave its end to Django.",
                self._connection.alias,
            )
        self.participants.roll_back()  # They may have been undone.
        self._keep()

    def _keep(self) -> None:
        self.transaction = Transaction()
        self.participants.leave()
        self._forget()

    def _give_back(self, first: int, undo: Callable[[], None], *, savepoint: bool) -> None:
        reservations = self._reservations[first:]
        try:
            undo()
            # Before receivers are told, so that none is told twice.
            self._forget(first)
            if free := self._free(reservations):
                send_rolled_back(self._connection, free, savepoint=savepoint)
        except BaseException:
            # A signal handler's. To release twice does no harm.
            release_all(self._connection, self._free(reservations))
            raise

    def _free(self, reservations: Sequence[Reservation]) -> tuple[Reservation, ...]:
        return tuple(
            reservation
            for reservation in reservations
            if BoundTransactions.of(reservation).remove(self)
        )

    def _leave_to_parent(self) -> None:
        # After a fork, the transaction and all that is bound to it are still the parent's.
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._keep()

    def _unless_forked(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*args: Any, **kwargs: Any) -> Any:
            self._leave_to_parent()
            return method(*args, **kwargs)

        return checked

    # What Django and the database know of the connection.

    def is_open(self) -> bool:
        """
        Return whether the transaction that holds the oldest reservation is still open, which
        must be about to end. Without a reservation there is no mark that could tell.
        """
        return self._was_open or not self._reservations or self._mark.is_there()

    def _is_savepoint_allowed(self) -> bool:
        return self._connection._savepoint_allowed()  # type: ignore[attr-defined, no-any-return]

    def _is_in_memory(self) -> bool:
        connection: Any = self._connection
        return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())

    def _is_closed(self) -> bool:
        if self._connection.in_atomic_block:
            return self._connection.closed_in_transaction
        return self._connection.connection is None


def _is_named_by_django(sid: object) -> bool:
    return DJANGO_SAVEPOINT.fullmatch(str(sid)) is not None
