"""All caches at once, each in its own time, and none of them with a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.findings import Finding

from .cache import examine_cache
from .time_limit import LIMIT, within


def examine(
    caches: Iterable[BaseReplayCache], limit: float = LIMIT
) -> dict[str, list[Finding]]:
    """
    Return what there is to say of each cache, by alias.

    One that fails, or is not done within ``limit`` seconds, has that for its last finding.
    """
    found: dict[str, list[Finding]] = {}
    calls = {}
    for cache in caches:
        found[cache.alias] = []
        calls[cache.alias] = partial(_collect, cache, found[cache.alias])
    outcomes = within(limit, calls)
    return {
        alias: [*findings] if outcome is None else [*findings, _unreachable(outcome)]
        for (alias, findings), outcome in zip(found.items(), outcomes.values(), strict=True)
    }


def _collect(cache: BaseReplayCache, findings: list[Finding]) -> None:
    for finding in examine_cache(cache):
        findings.append(finding)  # noqa: PERF402  # What is found before a failure counts.


def _unreachable(error: Exception) -> Finding:
    return Finding.error(
        "reachable",
        False,
        f"The store cannot be asked: {type(error).__name__}: {error}",
        hint="Until it answers, every token is refused with 503. See that the store runs, "
        "and that its address and password are right.",
        check="jti_replay.E020",
    )
