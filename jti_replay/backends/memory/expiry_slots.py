"""What the cache in memory knows of the entries that expire together."""

from __future__ import annotations

from . import records as cells


class Second:
    """The entries that are live in a second for the last time."""

    __slots__ = ("count", "expiry", "left", "prefix")

    def __init__(self, last: int, number: int) -> None:
        self.left = 0  # Places that are put aside for more of them.
        self.count = 0  # The entries, and those places.
        self.expiry = last + 1  # The first second in which they are forgotten.
        self.prefix = cells.prefix(self.expiry, number)  # What their records begin with.
