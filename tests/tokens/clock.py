"""A clock that tests push forward, in place of that by which the ages of keys go."""

from __future__ import annotations

import time


class Clock:
    """Stands in for the time module in ages.py."""

    monotonic_ahead = wall_ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.monotonic_ahead

    def time(self) -> float:
        return time.time() + self.wall_ahead

    def pass_by(self, seconds: float) -> None:
        self.monotonic_ahead += seconds
        self.wall_ahead += seconds
