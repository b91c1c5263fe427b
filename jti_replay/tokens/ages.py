"""
Ages by two clocks, of which the one that says older is believed.

The monotonic clock of Linux stands still while a machine is suspended, and the wall clock can
be set back. Keys that were withdrawn in that time are not trusted for longer in either case.
"""

from __future__ import annotations

import time
from typing import NamedTuple


class Moment(NamedTuple):
    """A moment on the monotonic clock, and on the wall clock, in seconds."""

    monotonic: float
    wall: float

    @classmethod
    def now(cls) -> Moment:
        """Return the present moment."""
        return cls(time.monotonic(), time.time())

    @property
    def age(self) -> float:
        """The seconds since then, by the clock that says more."""
        return max(time.monotonic() - self.monotonic, time.time() - self.wall)


LONG_AGO = Moment(float("-inf"), float("-inf"))
"""The moment of what never happened."""
