"""What a reserve costs a Redis: round trips, and bytes of memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .finding import Finding
from .probe import probe_digest, reserve_probe

if TYPE_CHECKING:
    from redis import Redis

    from jti_replay.backends.redis import RedisCache

PROBES = 5


def examine_cost(cache: RedisCache, server: Redis) -> Iterator[Finding]:
    """
    Reserve a few probes, and see what the server has read meanwhile, and holds.

    It counts what everybody sends, so the least that was counted is nearest to the truth.
    """
    trips, sizes = [], []
    for _ in range(PROBES):
        digest = probe_digest(cache)
        before = server.info("stats")["total_reads_processed"]
        entry = reserve_probe(cache, digest)
        # The question itself is read, too.
        trips.append(server.info("stats")["total_reads_processed"] - before - 1)
        if entry is not None:
            sizes.append(server.memory_usage(cache.prefix.encode() + digest))
            cache.remove(digest, entry[0])
    least = min(trips)
    text = "A reserve takes one round trip."
    if least > 1:
        text = f"A reserve takes {least} round trips, or others spoke to the server meanwhile."
    yield Finding.ok("round-trips", least, text)
    size = max((size for size in sizes if size), default=None)
    meaning = f"A jti takes {size} bytes of memory." if size else "It cannot be measured."
    yield Finding.ok("bytes-per-entry", size, meaning)
