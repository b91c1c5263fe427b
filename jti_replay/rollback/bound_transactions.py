"""The transactions to which a reservation is bound, and what they decide together."""

from __future__ import annotations

from collections.abc import Hashable
from weakref import WeakKeyDictionary

from jti_replay.conf.forks import new_lock
from jti_replay.reservation import Reservation

_lock = new_lock()
"""Re-entrant: the collector may drop a reservation of the dictionary at any point."""


class BoundTransactions:
    """
    The open transactions that decide on one reservation, on one database each.

    It is released when all of them have rolled back. Once one of them did anything else, it
    is kept for good.
    """

    __slots__ = ("_kept", "_open")

    def __init__(self) -> None:
        self._open: set[Hashable] = set()
        self._kept = False

    @classmethod
    def of(cls, reservation: Reservation) -> BoundTransactions:
        """Return the transactions of a reservation."""
        with _lock:
            return _bound.setdefault(reservation, cls())

    def add(self, transaction: Hashable) -> bool:
        """Bind the reservation to one more transaction. Return False if it is already."""
        with _lock:
            is_new = transaction not in self._open
            self._open.add(transaction)
            return is_new

    def keep(self) -> None:
        """Note that a transaction was committed, or that its end is unknown."""
        with _lock:
            self._kept = True

    def rolled_back(self, transaction: Hashable) -> bool:
        """Note that a transaction rolled back. Return whether the reservation is free now."""
        with _lock:
            self._open.discard(transaction)
            return not self._open and not self._kept


_bound: WeakKeyDictionary[Reservation, BoundTransactions] = WeakKeyDictionary()
