"""What the transactions that a reservation hangs on decide together."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jti_replay.reservation import Reservation

_lock = threading.Lock()


class Fate:
    """
    Whether a reservation is to be released.

    It may hang on transactions of several databases. It is released when all of them have
    rolled back; once one of them did anything else, it is kept for good.
    """

    __slots__ = ("_kept", "_open")

    def __init__(self) -> None:
        self._open: set[Hashable] = set()
        self._kept = False

    @classmethod
    def of(cls, reservation: Reservation) -> Fate:
        """Return the fate of a reservation."""
        with _lock:
            if reservation._fate is None:
                reservation._fate = cls()
            return reservation._fate

    def hangs_on(self, transaction: Hashable) -> bool:
        """Wait for the end of one more transaction. Return False if it did so already."""
        with _lock:
            is_new = transaction not in self._open
            self._open.add(transaction)
            return is_new

    def keep(self) -> None:
        """Note that a transaction was committed, or that its end is unknown."""
        with _lock:
            self._kept = True

    def rolled_back(self, transaction: Hashable) -> bool:
        """Note that a transaction rolled back. Return whether that was the last one."""
        with _lock:
            self._open.discard(transaction)
            return not self._open and not self._kept
