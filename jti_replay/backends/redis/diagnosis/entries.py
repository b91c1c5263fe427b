"""The keys in the database of a Redis, as far as they are cheap to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from redis import Redis
from redis.client import NEVER_DECODE

from jti_replay.backends.findings import Finding
from jti_replay.backends.redis.keys import Keys

MOST_KEYS = 10_000
BATCH = 1_000


def examine_entries(server: Redis, keys: Keys) -> Iterator[Finding]:
    """Look at some thousand keys: a few trips, none of which holds the server up."""
    own, others, cursor, sample = 0, 0, 0, b""
    execute: Any = server.execute_command
    markers = set(keys.markers())
    while own + others < MOST_KEYS:
        # Not scan(), which would decode the digests for an alias with decode_responses.
        cursor, found = execute("SCAN", cursor, "COUNT", BATCH, **{NEVER_DECODE: True})
        entries = set(found) - markers
        ours = [key for key in entries if key.startswith(keys.prefix)]
        own, others = own + len(ours), others + len(entries) - len(ours)
        sample = next(iter(ours), sample)
        if not cursor:
            break
    yield _judge_entries(own, others, None if not cursor else server.dbsize())
    yield judge_size(server.memory_usage(sample) if sample else None)
    if others:
        yield Finding.warning(
            "other-keys",
            others,
            f"Of {own + others:_} keys that were looked at, {others:_} are not of this cache. "
            "To clear them with FLUSHDB is to forget the jtis.",
            hint="Give the cache a database of its own, or better a server.",
            check="jti_replay.W014",
        )


def judge_size(size: int | None) -> Finding:
    """Report the memory that a jti takes, if there is one to look at."""
    text = f"A jti takes {size} bytes of memory." if size else "There is no jti to measure."
    return Finding.ok("bytes-per-entry", size, text)


def _judge_entries(own: int, others: int, size: int | None) -> Finding:
    if size is None:
        return Finding.ok("entries", own, f"Live entries: {own:_}.")
    if others:
        return Finding.ok("entries", None, f"Some of the {size:_} keys are jtis: not counted.")
    return Finding.ok("entries", size, f"Live entries: about {size:_}.")
