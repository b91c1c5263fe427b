"""The test that a store takes writes, without anything being written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from secrets import token_hex

from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.findings import Finding

NAMESPACE = "jti_replay doctor"


def examine_writing(cache: BaseReplayCache) -> Iterator[Finding]:
    """
    Release a jti that no token has, without signals.

    The store judges that as a write, with its permissions and its role, and nothing changes,
    because there is no such entry.
    """
    key = cache.key(NAMESPACE, token_hex(16))
    start = time.perf_counter()
    try:
        freed = cache.remove(key, None)
    except Exception as error:
        yield _broken(f"It does not take writes: {type(error).__name__}: {error}")
        return
    elapsed = (time.perf_counter() - start) * 1000
    if freed:
        yield _broken("It released a jti that was never reserved.")
        return
    yield Finding.ok("writes", round(elapsed, 3), f"It takes writes, in {elapsed:.2f} ms.")


def _broken(text: str) -> Finding:
    return Finding.error(
        "writes",
        None,
        text,
        hint="The user of this cache must be allowed to write, on a primary that is not full.",
        check="jti_replay.E026",
    )
