"""Time limits that interrupt a request in this thread, as a signal handler's exception."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

LONGEST = 0.012
"""Seconds after which a request is interrupted at the latest."""


class SoftTimeLimit(Exception):
    """Raised by a time limit such as Celery's, which may be caught as an Exception."""


class HardTimeLimit(BaseException):
    """Raised by a time limit that is no Exception, as KeyboardInterrupt is none."""


LIMITS = (SoftTimeLimit, HardTimeLimit)


class Interruption:
    """The timer of this process, which interrupts one call at a time."""

    def __init__(self) -> None:
        self._is_armed = self._has_struck = False
        signal.signal(signal.SIGALRM, self._interrupt)

    def call(self, function: Callable[[], T]) -> T:
        """Call a function, and interrupt it at any moment, if it takes long enough."""
        self._is_armed = True
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, LONGEST))
            return function()
        finally:
            self._is_armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def take(self) -> bool:
        """Return whether it has struck since the last time that it was asked."""
        has_struck, self._has_struck = self._has_struck, False
        return has_struck

    def _interrupt(self, *_: Any) -> None:
        if self._is_armed:
            self._is_armed, self._has_struck = False, True
            raise random.choice(LIMITS)(f"at {time.monotonic()}")


def is_at_commit(error: BaseException) -> bool:
    """Return whether an interruption came while the database was told to commit."""
    place = error.__traceback__
    while place is not None:
        if place.tb_frame.f_code.co_name in ("commit", "_commit"):
            return True
        place = place.tb_next
    return error.__context__ is not None and is_at_commit(error.__context__)
