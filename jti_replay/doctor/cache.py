"""The examination of one cache: its backend's diagnosis, and what holds for every cache."""

from __future__ import annotations

from collections.abc import Iterator

from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.findings import Finding, Unusable

from .cold_start import examine_cold_start
from .probe import examine_writing


def examine_cache(cache: BaseReplayCache) -> Iterator[Finding]:
    """Yield what the backend finds, and then what it has not said of its own accord."""
    told = set()
    try:
        for finding in cache.diagnose():
            told.add(finding.key)
            yield finding
    except Unusable as unusable:
        yield unusable.finding
        return
    yield from examine_writing(cache)
    if "entries" not in told:
        yield _entries(cache.count())
    yield from examine_cold_start(cache)


def _entries(entries: int | None) -> Finding:
    text = "They are not counted." if entries is None else f"Live entries: {entries:_}."
    return Finding.ok("entries", entries, text)
