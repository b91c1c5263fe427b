"""What a reserve costs a Redis: round trips, and bytes of memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jti_replay.backends.findings import Finding
from jti_replay.doctor.probe import probe_digest, reserve_probe

if TYPE_CHECKING:
    from redis import Redis

    from jti_replay.backends.redis.cache import RedisCache

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
        reserve_probe(cache, digest)
        # The question itself is read, too.
        trips.append(server.info("stats")["total_reads_processed"] - before - 1)
        sizes.append(server.memory_usage(cache.keys.entry(digest)))
        cache.remove(digest, None)
    yield judge_round_trips(min(trips))
    yield judge_size(max((size for size in sizes if size), default=None))


def judge_round_trips(least: int) -> Finding:
    """Say how often a reserve goes to the server and back."""
    if least == 1:
        return Finding.ok("round-trips", 1, "A reserve takes one round trip.")
    text = f"A reserve takes {least} round trips, or others spoke to the server meanwhile."
    return Finding.ok("round-trips", least, text)


def judge_size(size: int | None) -> Finding:
    """Say what a jti costs."""
    text = f"A jti takes {size} bytes of memory." if size else "What a jti takes is not known."
    return Finding.ok("bytes-per-entry", size, text)
