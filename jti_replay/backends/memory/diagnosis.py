"""What the in-memory cache would survive: little, and nothing beyond its process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jti_replay.backends.findings import Finding
from jti_replay.backends.memory.records import RECORD_SIZE
from jti_replay.doctor.cold_start import examine_cold_start
from jti_replay.doctor.probe import examine_reserve

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
    yield from examine_reserve(cache)
    entries = cache.count()
    yield Finding.ok("entries", entries, f"Live entries: {entries:_} of {cache.max_entries:_}.")
    megabytes = cache.max_entries * RECORD_SIZE / 1e6
    yield Finding.ok(
        "bytes-per-entry",
        RECORD_SIZE,
        f"A record is {RECORD_SIZE} bytes, so that a full cache holds {megabytes:.3g} MB.",
    )
    yield from examine_cold_start(cache)
