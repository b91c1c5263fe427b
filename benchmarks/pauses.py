"""How long single operations take, while entries expire as fast as new ones come."""

from __future__ import annotations

import random
import time
from typing import Any
from unittest import mock

from .designs import DESIGNS, Nothing
from .method import fresh_jtis, percentile, progress

RATE = 4000
"""New jtis in a second of the clock that is shown to the designs."""

LIFETIMES = (60, 100, 200)
MILLISECOND = 1_000_000


def measure(operations: int) -> dict[str, Any]:
    """Return percentiles and counts of slow operations, by design."""
    results = {}
    for name, make in {"nothing (control)": Nothing, **DESIGNS}.items():
        progress(f"pauses in {operations:,} inserts: {name}")
        results[name] = _pauses(make(1_000_000), operations)
    return results


def _pauses(design: Any, operations: int) -> dict[str, float]:
    clock = _Clock()
    latencies = []
    measure_ns = time.perf_counter_ns
    with mock.patch("time.time", clock):
        for _ in range(operations):
            clock.now += 1 / RATE
            jti = fresh_jtis(1)[0]
            expiry = int(clock.now) + random.choice(LIFETIMES)
            start = measure_ns()
            design.reserve(jti, expiry)
            latencies.append(measure_ns() - start)
    latencies.sort()
    return {
        "p50": percentile(latencies, 0.5),
        "p99.99": percentile(latencies, 0.9999),
        "over 1 ms": sum(latency > MILLISECOND for latency in latencies),
        "longest": latencies[-1],
    }


class _Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now
