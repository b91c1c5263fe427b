"""The time that single operations take, while entries expire as fast as new ones come."""

from __future__ import annotations

import random
import time
from bisect import bisect_left
from itertools import chain
from typing import Any
from unittest import mock

from .designs import DESIGNS, NoOp
from .extent import Extent
from .memory_cost import ISSUER
from .method import fresh_jtis, percentile, progress

MEAN_LIFETIME = 1200
"""Seconds, by the clock that is shown to the designs. Lifetimes are drawn around it."""

RUNS = 3
MILLISECOND = 1_000_000
NEARBY = 5
"""Inserts by which a pause may come earlier or later and still be the same one."""

CONTROL = "no-op (control)"


def measure(scale: Extent) -> dict[str, Any]:
    """Return percentiles and numbers of slow operations, by live entries and by design."""
    results = {}
    for live, inserts in scale.pauses:
        found = {}
        for name, make in {CONTROL: NoOp, **DESIGNS}.items():
            progress(f"pauses in {inserts:,} inserts at {live:,} live entries: {name}")
            # What the machine does comes at random. What a design does comes again.
            runs = [
                _latencies(make(2 * live, MEAN_LIFETIME), live, inserts) for _ in range(RUNS)
            ]
            found[name] = _summary(*runs)
        results[f"{live:,} live, {inserts:,} inserts"] = found
    return results


def _latencies(design: Any, live: int, inserts: int) -> list[int]:
    clock = _Clock()
    step = MEAN_LIFETIME / live
    lifetimes = random.Random(1)
    latencies = []
    measure_ns = time.perf_counter_ns
    with mock.patch("time.time", clock):
        for _ in range(inserts):
            clock.now += step
            jti = fresh_jtis(1)[0]
            expiry = clock.now + lifetimes.uniform(0.5, 1.5) * MEAN_LIFETIME
            start = measure_ns()
            design.reserve(jti, expiry, namespace=ISSUER)
            latencies.append(measure_ns() - start)
    return latencies


def _summary(*runs: list[int]) -> dict[str, float]:
    slow = [
        [at for at, latency in enumerate(latencies) if latency > MILLISECOND]
        for latencies in runs
    ]
    ordered = sorted(chain.from_iterable(runs))
    return {
        "p50 us": percentile(ordered, 0.5) / 1000,
        "p99.99 us": percentile(ordered, 0.9999) / 1000,
        "longest ms": ordered[-1] / MILLISECOND,
        "over 1 ms": sum(map(len, slow)),
        "repeated": sum(all(_has_nearby(other, at) for other in slow[1:]) for at in slow[0]),
    }


def _has_nearby(places: list[int], at: int) -> bool:
    following = bisect_left(places, at - NEARBY)
    return following < len(places) and places[following] <= at + NEARBY


class _Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now
