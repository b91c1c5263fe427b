"""What the in-memory cache would survive: little, and nothing beyond its process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jti_replay.backends.findings import Finding
from jti_replay.backends.memory.records import RECORD_SIZE

if TYPE_CHECKING:
    from jti_replay.backends.memory.cache import InMemoryCache


def examine_memory(cache: InMemoryCache) -> Iterator[Finding]:
    """Say what holds for the cache of each process. Those of others cannot be asked."""
    yield Finding.warning(
        "shared",
        False,
        "Each process has its own: of several workers, each accepts a token once, and a "
        "restart forgets them all. What follows is about this process.",
        hint="Use RedisCache or DatabaseCache, unless the site is served by one process.",
        check="jti_replay.W001",
    )
    entries = cache.count()
    yield judge_entries(entries, cache.max_entries)
    megabytes = cache.max_entries * RECORD_SIZE / 1e6
    yield Finding.ok(
        "bytes-per-entry",
        RECORD_SIZE,
        f"A record is {RECORD_SIZE} bytes, so that a full cache holds {megabytes:.3g} MB.",
    )


def judge_entries(entries: int, most: int) -> Finding:
    """Refuse a cache that has no room for another jti."""
    text = f"Live entries: {entries:_} of {most:_}."
    if entries < most:
        return Finding.ok("entries", entries, text)
    return Finding.error(
        "entries",
        entries,
        f"{text} It is full: new tokens are refused with 503 until some expire.",
        hint="Raise OPTIONS['max_entries'].",
        check="jti_replay.E026",
    )
