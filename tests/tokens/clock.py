"""A clock that tests push forward, in place of that by which the ages of keys go."""

from __future__ import annotations

SINCE_BOOT = 1_000
SINCE_1970 = 1_800_000_000


class Clock:
    """Stands in for the time module in ages.py. It stands still, so that ages are exact."""

    monotonic_ahead = wall_ahead = 0.0

    def monotonic(self) -> float:
        return SINCE_BOOT + self.monotonic_ahead

    def time(self) -> float:
        return SINCE_1970 + self.wall_ahead

    def pass_by(self, seconds: float) -> None:
        self.monotonic_ahead += seconds
        self.wall_ahead += seconds
