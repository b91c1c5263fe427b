"""Which keys are in the database of a Redis, as far as that is cheap to see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from redis.client import NEVER_DECODE

from jti_replay.backends.findings import Finding

if TYPE_CHECKING:
    from redis import Redis

    from jti_replay.backends.redis.cache import RedisCache

MOST_KEYS = 10_000
BATCH = 1_000


def examine_entries(cache: RedisCache, server: Redis) -> Iterator[Finding]:
    """Look at some thousand keys: a few trips, none of which holds the server up."""
    own, others, cursor = 0, 0, 0
    execute: Any = server.execute_command
    prefix, markers = cache.prefix.encode(), set(cache.keys.markers())
    while own + others < MOST_KEYS:
        # Not scan(), which would decode the digests for an alias with decode_responses.
        cursor, keys = execute("SCAN", cursor, "COUNT", BATCH, **{NEVER_DECODE: True})
        entries = set(keys) - markers
        ours = sum(key.startswith(prefix) for key in entries)
        own, others = own + ours, others + len(entries) - ours
        if not cursor:
            break
    yield _judge_entries(own, others, None if not cursor else server.dbsize())
    if others:
        yield Finding.warning(
            "other-keys",
            others,
            f"Of {own + others:_} keys that were looked at, {others:_} are not of this cache. "
            "Whoever clears them with FLUSHDB forgets the jtis.",
            hint="Give the cache a database of its own, or better a server.",
            check="jti_replay.W014",
        )


def _judge_entries(own: int, others: int, size: int | None) -> Finding:
    if size is None:
        return Finding.ok("entries", own, f"Live entries: {own:_}.")
    if others:
        return Finding.ok("entries", None, f"Some of the {size:_} keys are jtis: not counted.")
    return Finding.ok("entries", size, f"Live entries: about {size:_}.")
