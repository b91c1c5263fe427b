"""What an in-memory reserve costs, at several numbers of live entries and of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .designs import DESIGNS, FLOOR, Design
from .method import Cost, compare, fresh_jtis, progress

SMALL = 10_000
"""So few live entries that a batch would change their number: built anew for each round."""


def measure(sizes: list[int], rounds: int) -> dict[str, Any]:
    """Return the costs of new and of replayed jtis, by number of live entries."""
    return {
        "new": {str(live): _costs(live, rounds, replayed=False) for live in sizes},
        "replayed": {str(live): _costs(live, rounds, replayed=True) for live in sizes},
    }


def measure_threads(numbers: list[int], rounds: int) -> dict[str, Any]:
    """Return the costs with several threads at once, by number of threads."""
    results = {}
    for number in numbers:
        progress(f"in-memory reserve, {number} threads")

        def batches(number: int = number) -> Mapping[str, tuple[Callable[[], object], int]]:
            return {
                name: _in_threads(make(2_000_000), number) for name, make in DESIGNS.items()
            }

        results[str(number)] = _plain(compare(batches, base=FLOOR, rounds=rounds))
    return results


def _costs(live: int, rounds: int, *, replayed: bool) -> dict[str, Any]:
    batch = 200 if live <= SMALL else 1000
    capacity = live + batch * (rounds + 1)
    filled: dict[str, tuple[Design, list[str]]] = {}

    def fill() -> None:
        for name, make in DESIGNS.items():
            if live > SMALL:
                progress(f"in-memory reserve, filling {live:,} entries: {name}")
            design = make(max(capacity, 1_000_000))
            known = fresh_jtis(batch)
            for jti in known:
                design.reserve(jti, _expiry())
            for jti in fresh_jtis(live - batch):
                design.reserve(jti, _expiry())
            filled[name] = design, known

    def batches() -> Mapping[str, tuple[Callable[[], object], int]]:
        if live <= SMALL or not filled:
            fill()
        return {
            # The same text in new objects: nothing about them is cached.
            name: (
                _batch(
                    design, [j[:7] + j[7:] for j in known] if replayed else fresh_jtis(batch)
                ),
                batch,
            )
            for name, (design, known) in filled.items()
        }

    progress(f"in-memory reserve, {live:,} live entries")
    return _plain(compare(batches, base=FLOOR, rounds=rounds))


def _batch(design: Design, jtis: list[str]) -> Callable[[], object]:
    reserve, expiry = design.reserve, _expiry()

    def run() -> None:
        for jti in jtis:
            reserve(jti, expiry)

    return run


def _in_threads(design: Design, number: int) -> tuple[Callable[[], object], int]:
    operations = 2000
    runs = [_batch(design, fresh_jtis(operations)) for _ in range(number)]

    def run() -> None:
        threads = [threading.Thread(target=one) for one in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run, number * operations


def _expiry() -> int:
    return int(time.time()) + 600


def _plain(costs: dict[str, Cost]) -> dict[str, Any]:
    return {name: {"ns": cost.nanoseconds, "ratio": cost.ratio} for name, cost in costs.items()}
