"""The transactions to which a reservation is bound, and what they decide together."""

from __future__ import annotations

from collections.abc import Hashable
from weakref import WeakKeyDictionary

from jti_replay.reservation import Reservation


class BoundTransactions:
    """
    The transactions that decide on one reservation, on one database each.

    It is free when all of them have rolled back. One that did anything else is never removed,
    so that the reservation is kept for good.
    """

    __slots__ = ("_databases",)

    def __init__(self) -> None:
        self._databases: set[Hashable] = set()

    @classmethod
    def of(cls, reservation: Reservation) -> BoundTransactions:
        """Return the transactions of a reservation."""
        return _bound.setdefault(reservation, cls())

    def add(self, database: Hashable) -> bool:
        """Bind the reservation to one more database. Return False if it is already."""
        is_new = database not in self._databases
        self._databases.add(database)
        return is_new

    def remove(self, database: Hashable) -> bool:
        """Note that a transaction rolled back. Return whether the reservation is free now."""
        self._databases.discard(database)
        return not self._databases


_bound: WeakKeyDictionary[Reservation, BoundTransactions] = WeakKeyDictionary()
