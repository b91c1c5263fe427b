"""
Which reservations hang on the open transaction of a database connection, and what becomes of
them when it ends.

Django has no hook for a rollback, but every end of a transaction goes through a few public
methods of the connection. A connection that holds reservations has these methods wrapped: on
that one object, from its first reservation on. Nothing is patched globally.

Whatever is unsure is kept. The worst is then that a client has to get a new token.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, Error
from django.db.transaction import TransactionManagementError

from jti_replay.signals import transaction_rolled_back

from .bound_transactions import Fate
from .participants import Participants
from .query_block import sealed

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from jti_replay.reservation import Reservation

ATTRIBUTE = "jti_replay_ledger"
"""The attribute of a connection that holds its ledger."""

DJANGO_SAVEPOINT = re.compile(r"s\d+_x\d+")
"""The names that Django gives to savepoints."""

DOOMED = (3, 4)
"""
What libpq says of a transaction that can only roll back: a statement of it has failed
(PQTRANS_INERROR), or the connection is known to be lost (PQTRANS_UNKNOWN).
"""


class Transaction:
    """A transaction of a connection, and whether it is known to have rolled back."""

    __slots__ = ("rolled_back",)

    def __init__(self) -> None:
        self.rolled_back = False


class Ledger:
    """The reservations that hang on the open transaction of a connection, oldest first."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._pid = os.getpid()
        self._transaction = Transaction()
        self._reservations: list[Reservation] = []
        self._participants = Participants()
        # How many there were when a savepoint was made: rolling back to it takes the others.
        self._savepoints: dict[str, int] = {}
        # Whether a COMMIT has failed, so that it may have been carried out or not.
        self._in_doubt = False
        self._wrap("commit", self._commit)
        self._wrap("rollback", self._rollback)
        self._wrap("close", self._close)
        self._wrap("savepoint", self._savepoint)
        self._wrap("savepoint_rollback", self._savepoint_rollback)
        self._wrap("set_autocommit", self._set_autocommit)

    @classmethod
    def of(cls, connection: BaseDatabaseWrapper) -> Ledger:
        """Return the ledger of a connection, made when the first one asks for it."""
        ledger: Ledger | None = getattr(connection, ATTRIBUTE, None)
        if ledger is None:
            ledger = cls(connection)
            setattr(connection, ATTRIBUTE, ledger)
        return ledger

    @property
    def transaction(self) -> Transaction:
        """The open transaction, or else the next one."""
        self._leave_to_parent()
        return self._transaction

    @property
    def participants(self) -> Participants:
        """What stores have a part of in the open transaction."""
        self._leave_to_parent()
        return self._participants

    def add(self, reservation: Reservation) -> None:
        """Let a reservation hang on the open transaction."""
        self._leave_to_parent()
        if Fate.of(reservation).hangs_on(self):
            self._reservations.append(reservation)

    # What stands in for the methods of the connection.

    def _commit(self, original: Callable[[], None]) -> None:
        self._participants.before_commit()
        # PostgreSQL answers COMMIT with ROLLBACK, and no error, if a statement has failed.
        is_doomed = self._is_doomed()
        try:
            original()
        except TransactionManagementError:
            raise  # It was not even tried.
        except DatabaseError:
            # Django goes on with rollback(), which will tell.
            self._in_doubt = self._in_doubt or not is_doomed
            raise
        except BaseException:
            self._keep()
            raise
        if is_doomed:
            self._tell_end()
        else:
            self._keep()

    def _rollback(self, original: Callable[[], None]) -> None:
        try:
            original()
        except Error:
            raise  # Django goes on with close(), which will tell.
        except BaseException:
            self._keep()
            raise
        self._tell_end()

    def _close(self, original: Callable[[], None]) -> None:
        try:
            original()
        finally:
            # An in-memory SQLite database does not close, so that its transaction goes on.
            if self._is_closed():
                if self._in_doubt:
                    self._keep()
                else:
                    self._tell_end()

    def _savepoint(self, original: Callable[[], str | None]) -> str | None:
        sid = original()
        if sid is not None:
            self._participants.mark(sid)
        if sid is not None and self._reservations:
            self._savepoints[sid] = len(self._reservations)
        return sid

    def _savepoint_rollback(self, original: Callable[[str], None], sid: str) -> None:
        is_allowed = self._connection._savepoint_allowed()  # type: ignore[attr-defined]
        original(sid)
        if not is_allowed:
            return  # Nothing was done.
        self._participants.roll_back_to(sid, made_by_django=_is_made_by_django(sid))
        if sid in self._savepoints:
            self._tell_rollback(self._take(self._savepoints[sid]), savepoint=True)
        elif _is_made_by_django(sid):
            # Django made it when there was no reservation yet. Of a savepoint that somebody
            # made in SQL it is not known when that was.
            self._tell_rollback(self._take(), savepoint=True)

    def _set_autocommit(self, original: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        self._participants.before_commit()
        original(*args, **kwargs)
        # To some databases this is a COMMIT. What is still open has not been rolled back.
        self._keep()

    # What becomes of the reservations.

    def _take(self, first: int = 0) -> Sequence[Reservation]:
        # They are taken out before anybody is told, so that nobody can be told twice.
        taken = self._reservations[first:]
        del self._reservations[first:]
        if not first:
            self._savepoints.clear()
            self._in_doubt = False
        return taken

    def _keep(self) -> None:
        self._transaction = Transaction()
        self._participants.leave()
        for reservation in self._take():
            Fate.of(reservation).keep()

    def _tell_end(self) -> None:
        self._transaction.rolled_back = True
        self._transaction = Transaction()
        self._participants.roll_back()
        self._tell_rollback(self._take())

    def _tell_rollback(
        self, reservations: Sequence[Reservation], *, savepoint: bool = False
    ) -> None:
        free = tuple(
            reservation
            for reservation in reservations
            if Fate.of(reservation).rolled_back(self)
        )
        if free:
            with sealed(self._connection):
                transaction_rolled_back.send_robust(
                    sender=type(self._connection),
                    using=self._connection.alias,
                    reservations=free,
                    savepoint=savepoint,
                )

    def _leave_to_parent(self) -> None:
        # After a fork, the transaction and all that hangs on it are still the parent's.
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._transaction = Transaction()
            self._participants.leave()
            self._take()

    # What Django knows of the connection.

    def _is_doomed(self) -> bool:
        info = getattr(self._connection.connection, "info", None)
        return (
            self._connection.vendor == "postgresql"
            and getattr(info, "transaction_status", None) in DOOMED
        )

    def _is_closed(self) -> bool:
        if self._connection.in_atomic_block:
            return self._connection.closed_in_transaction
        return self._connection.connection is None

    def _wrap(self, name: str, method: Callable[..., Any]) -> None:
        connection = self._connection
        own = vars(connection).get(name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            # Looked up at each call, so that patches of the class made later on still work.
            original = own or MethodType(getattr(type(connection), name), connection)
            self._leave_to_parent()
            return method(original, *args, **kwargs)

        setattr(connection, name, wrapped)


def _is_made_by_django(sid: object) -> bool:
    return DJANGO_SAVEPOINT.fullmatch(str(sid)) is not None
