"""How long a store takes to answer, and what time it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

from .findings import Finding

SAMPLES = 5
MOST_SKEW = 1.0
"""Seconds by which the clocks of hosts that share a cache may differ."""


def examine_latency(ask: Callable[[], object], limit: float | None) -> Iterator[Finding]:
    """
    Time the shortest question there is. ``limit`` is the number of seconds after which the
    cache gives an answer up, if it does.
    """
    took = []
    for _ in range(SAMPLES):
        start = time.perf_counter()
        ask()
        took.append(time.perf_counter() - start)
    yield judge_latency(median(took), limit)


def judge_latency(seconds: float, limit: float | None) -> Finding:
    """Warn of an answer that takes more than half of the time that it may take."""
    milliseconds = round(seconds * 1000, 3)
    text = f"It answers in {milliseconds:.2f} ms."
    if limit is None:
        return Finding.ok("latency", milliseconds, text)
    text = f"{text[:-1]}, and is given up after {limit * 1000:.0f} ms."
    if seconds <= limit / 2:
        return Finding.ok("latency", milliseconds, text)
    return Finding.warning(
        "latency",
        milliseconds,
        text,
        hint="Bring the store nearer, or raise OPTIONS['timeout'].",
        check="jti_replay.W016",
    )


def examine_clock(ask: Callable[[], float]) -> Iterator[Finding]:
    """Compare the clock of the store (seconds since 1970) with that of this host."""
    before = time.time()
    there = ask()
    yield judge_clock(round(there - (before + time.time()) / 2, 3))


def judge_clock(difference: float) -> Finding:
    """Warn of a clock that is more than a second ahead, or behind."""
    text = f"Its clock is {abs(difference):g} s {'behind' if difference < 0 else 'ahead'}."
    if abs(difference) <= MOST_SKEW:
        return Finding.ok("clock-difference", difference, text)
    return Finding.warning(
        "clock-difference",
        difference,
        text,
        hint="Let all hosts follow one time server. A TTL of at least MAX_LIFETIME + 2 * "
        "LEEWAY + the difference makes up for it.",
        check="jti_replay.W013",
    )
