"""What can be said of any cache, whatever its store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jti_replay.backends.findings import Finding

from .cold_start import examine_cold_start
from .probe import examine_reserve

if TYPE_CHECKING:
    from jti_replay.backends.base import BaseReplayCache


def examine_cache(cache: BaseReplayCache) -> Iterator[Finding]:
    """Try it, and ask what it tells of itself."""
    yield from examine_reserve(cache)
    entries = cache.count()
    text = "They are not counted." if entries is None else f"Live entries: {entries:_}."
    yield Finding.ok("entries", entries, text)
    yield from examine_cold_start(cache)
