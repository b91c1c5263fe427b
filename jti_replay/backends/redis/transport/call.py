"""One call of the cache: the time that it has, and what became of what it sent."""

from __future__ import annotations

import time

from redis.exceptions import TimeoutError


class NoTimeLeft(TimeoutError):
    """Raised when the time of a call does not suffice for one more step."""


class Call:
    """
    A reserve, a release or a question, with all its attempts.

    ``deadline`` is the moment of :func:`time.monotonic` by which all must be over.
    """

    __slots__ = ("deadline", "fresh_since", "last_step", "sent", "unanswered")

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.fresh_since = 0.0
        """Connections that were made before this moment are not used."""
        self.last_step = 0.0
        """The seconds that the last step took: to connect, or to get an answer."""
        self.sent = 0
        """The number of exchanges that were begun."""
        self.unanswered = 0
        """The number of those whose outcome is unknown."""

    def time_left(self) -> float:
        """
        Return the seconds that are left.

        Raise :exc:`NoTimeLeft` if they do not suffice for one more step: then nothing is sent
        whose outcome would be unknown, and a new connection is kept for the next call.
        """
        left = self.deadline - time.monotonic()
        if left <= self.last_step:
            raise NoTimeLeft("There is no time left to ask Redis.")
        return left

    def use_new_connections(self) -> None:
        """Use none of the connections that are there: they may lead to the wrong server."""
        self.fresh_since = time.monotonic()
        self.last_step = 0.0

    def extend(self, seconds: float) -> None:
        """Give it more time, for one more step."""
        self.deadline += seconds
        self.last_step = 0.0
