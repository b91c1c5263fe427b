"""How far back the memory of a cache goes, and whether it heeds that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jti_replay.backends.findings import Finding

if TYPE_CHECKING:
    from jti_replay.backends.base import BaseReplayCache


def iso(moment: float | None) -> str | None:
    """Return a moment (seconds since 1970) as ISO 8601 in UTC, to the second."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def beginning(cache: BaseReplayCache) -> str | None:
    """
    Return since when the cache remembers all. It is not asked if it does not go by that: some
    note it when they are first asked.
    """
    return iso(cache.complete_since() if cache.refuses_cold_start else None)


def examine_cold_start(cache: BaseReplayCache) -> Iterator[Finding]:
    """Say since when the cache remembers everything, and what becomes of older tokens."""
    since = beginning(cache)
    text = (
        f"It remembers all since {since}, and refuses tokens from before (COLD_START is "
        "'refuse')."
        if cache.refuses_cold_start
        else "After a loss of memory it accepts the tokens from before once more (COLD_START "
        "is 'accept')."
    )
    yield Finding.ok("complete-since", since, text)
