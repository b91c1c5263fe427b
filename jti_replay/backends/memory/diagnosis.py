"""The findings of the in-memory cache, which survives nothing beyond its process."""

from __future__ import annotations

from collections.abc import Iterator

from jti_replay.backends.findings import Finding

BYTES_PER_ENTRY = 24
"""The memory that an entry takes in a full cache, as ``python -m benchmarks`` measures it."""


def examine_memory(entries: int, max_entries: int) -> Iterator[Finding]:
    """Yield what holds for the cache of each process. Those of others cannot be asked."""
    yield Finding.warning(
        "shared",
        False,
        "Each process has its own: of several workers, each accepts a token once, and a "
        "restart forgets them all. What follows is about this process.",
        hint="Use RedisCache or DatabaseCache, unless the site is served by one process.",
        check="jti_replay.W001",
    )
    yield judge_entries(entries, max_entries)
    megabytes = max_entries * BYTES_PER_ENTRY / 1e6
    yield Finding.ok(
        "bytes-per-entry",
        BYTES_PER_ENTRY,
        f"An entry takes about {BYTES_PER_ENTRY} bytes of memory when the cache is full, which "
        f"is {megabytes:.3g} MB for all.",
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
