"""Calls that may fail for a while, but never take longer than they may."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from jti_replay import CacheError
from tests.stopwatch import takes_at_most

PATIENT = {"timeout": 5}
"""Options for all but limits of time: on a busy machine an answer may take long."""

LIMIT = 0.8
"""Seconds that a call may take."""


def in_time(call: Callable[[], Any], limit: float = LIMIT) -> bool:
    """Make a call that may take so many seconds. Return whether it did not fail."""
    with takes_at_most(limit):
        try:
            call()
        except CacheError:
            return False
    return True


def wait_until(call: Callable[[], Any], seconds: float = 15) -> None:
    """Wait until a call succeeds."""
    deadline = time.monotonic() + seconds
    while not in_time(call):
        assert time.monotonic() < deadline, "It has not recovered."
        time.sleep(0.05)
