"""Replicas of a Redis, and waiting until they follow."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis


def is_followed(primary: redis.Redis, replicas: int) -> bool:
    """Empty a primary, and return whether so many replicas have done the same at once."""
    primary.flushall()
    return int(primary.wait(replicas, 100)) >= replicas


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait for up to 20 seconds. Raises :exc:`RuntimeError` if it takes longer."""
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the {what} took too long")
        time.sleep(0.02)
