"""One call of the cache: the time that it has, and what became of what it sent."""

from __future__ import annotations

import time

from redis.exceptions import TimeoutError


class Call:
    """
    A reserve, a release or a question, with all its attempts.

    ``deadline`` is the moment of :func:`time.monotonic` by which all must be over.
    """

    __slots__ = ("deadline", "fresh_since", "sent", "unanswered")

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.fresh_since = 0.0
        """Connections that were made before this moment are not used."""
        self.sent = 0
        """The number of exchanges that were begun."""
        self.unanswered = 0
        """The number of those whose outcome is unknown."""

    def time_left(self) -> float:
        """Return the seconds that are left, or raise :exc:`redis.TimeoutError` without any."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("There is no time left to ask Redis.")
        return left

    def use_new_connections(self) -> None:
        """Use none of the connections that are there: they may lead to the wrong server."""
        self.fresh_since = time.monotonic()
