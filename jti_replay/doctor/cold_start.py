"""How far back the memory of a cache goes, and what becomes of older tokens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.findings import Finding


def iso(moment: float | None) -> str | None:
    """Return a moment (seconds since 1970) as ISO 8601 in UTC, to the second."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def beginning(cache: BaseReplayCache) -> str | None:
    """Return since when the cache remembers everything, if ``COLD_START`` asks for it."""
    return iso(cache.complete_since() if cache.refuses_cold_start else None)


def examine_cold_start(cache: BaseReplayCache) -> Iterator[Finding]:
    """Report since when the cache remembers everything, and what becomes of older tokens."""
    since = beginning(cache)
    if not cache.refuses_cold_start:
        text = (
            "After a loss of memory it accepts the tokens from before once more (COLD_START "
            "is 'accept')."
        )
    elif since is None:
        text = (
            "Its memory begins with the first token, which it refuses, as all that are older "
            "(COLD_START is 'refuse')."
        )
    else:
        text = (
            f"It remembers all since {since}, and refuses tokens from before (COLD_START is "
            "'refuse')."
        )
    yield Finding.ok("complete-since", since, text)
