"""A small cache in memory, and whether it is sound."""

from __future__ import annotations

import threading
import time
from typing import Any

from jti_replay.backends.memory import InMemoryCache
from jti_replay.backends.memory.records import RECORD_SIZE

ISSUER = "https://issuer.example"


def cache_with(
    *jtis: str, max_entries: int = 3, lifetime: int = 400, ttl: int = 300
) -> InMemoryCache:
    options = {"max_entries": max_entries}
    cache = InMemoryCache("default", {"TTL": ttl, "OPTIONS": options})
    for jti in jtis:
        assert cache.reserve(jti, time.time() + lifetime, namespace=ISSUER)
    return cache


def entries(cache: InMemoryCache) -> int:
    """Count what is there, instead of what the cache believes to be there."""
    live = cache._table._live
    return sum(
        cell[at : at + RECORD_SIZE] >= live
        for cell in cache._table._cells
        for at in range(0, len(cell), RECORD_SIZE)
    )


def assert_sound(cache: InMemoryCache) -> None:
    """Fail unless the lock is free and the numbers add up."""
    free: list[bool] = []

    def take() -> None:
        free.append(cache._lock.acquire(timeout=5))

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    assert free == [True]
    cache._lock._at_fork_reinit()  # type: ignore[attr-defined]  # That thread has it now.
    table = cache._table
    assert cache.count() == entries(cache) == sum(table._soon) + sum(table._later.values())


def reserve(cache: InMemoryCache, jti: str) -> Any:
    return cache.reserve(jti, time.time() + 400, namespace=ISSUER)
