"""Limits of time that a call has to keep, on machines that sometimes stand still."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SLACK = 0.25
"""Seconds that a busy machine may add to a limit."""

TICK = 0.01
NOTABLE = 0.02
"""Seconds by which a thread that does nothing wakes up too late: the machine stood still."""


@contextmanager
def takes_at_most(limit: float, *, at_least: float = 0) -> Iterator[None]:
    """
    Fail unless a block takes so many seconds, from the one to the other.

    For how long the machine stood still meanwhile, as a thread beside it can tell, is not
    held against the block.
    """
    ended = threading.Event()
    lost = 0.0

    def watch() -> None:
        nonlocal lost
        while not ended.is_set():
            start = time.monotonic()
            ended.wait(TICK)
            late = time.monotonic() - start - TICK
            if late > NOTABLE:
                lost += late

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.monotonic()
    try:
        yield
        taken = time.monotonic() - start
    finally:
        ended.set()
        watcher.join()
    assert at_least <= taken < limit + SLACK + lost
