"""Whether a cache does its work: a jti of nobody is reserved, refused and released."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator
from secrets import token_hex
from typing import TYPE_CHECKING

from jti_replay.backends.findings import Finding

if TYPE_CHECKING:
    from jti_replay.backends.base import BaseReplayCache

LIFETIME = 10
"""Seconds after which a probe goes by itself, if it cannot be released."""

DAY = 86400.0

NAMESPACE = "jti_replay doctor"


def probe_digest(cache: BaseReplayCache) -> bytes:
    """Return the digest of a jti that no token has."""
    return cache.digest(NAMESPACE, token_hex(16))


def reserve_probe(cache: BaseReplayCache, digest: bytes) -> tuple[Hashable, float] | None:
    """Reserve it as the cache would for a token that cannot have been used yet."""
    deadline = time.time() + LIFETIME
    if cache.refuses_cold_start:
        return cache.add_vouched(digest, deadline, deadline + DAY)
    return cache.add(digest, deadline)


def examine_reserve(cache: BaseReplayCache) -> Iterator[Finding]:
    """Reserve a probe twice and release it, without signals: it is nobody's token."""
    digest = probe_digest(cache)
    start = time.perf_counter()
    try:
        entry = reserve_probe(cache, digest)
        elapsed = (time.perf_counter() - start) * 1000
        again = reserve_probe(cache, digest)
        freed = entry is not None and cache.remove(digest, entry[0])
    except Exception as error:
        yield _broken(f"A probe cannot be reserved: {type(error).__name__}: {error}")
        return
    if entry is None or again is not None or not freed:
        yield _broken(
            f"A probe was {'reserved' if entry else 'refused'}, "
            f"{'refused' if again is None else 'reserved'} the second time, and "
            f"{'released' if freed else 'not released'}."
        )
        return
    yield Finding.ok(
        "reserve",
        round(elapsed, 3),
        f"A probe was reserved in {elapsed:.2f} ms, refused the second time, and released.",
    )


def _broken(text: str) -> Finding:
    return Finding.error(
        "reserve",
        None,
        text,
        hint="The cache must be able to write, and must not be full.",
        check="jti_replay.E026",
    )
