"""The cost of an in-memory reserve, at several numbers of live entries and of threads."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .designs import DESIGNS, FLOOR, LOCMEM, OURS, OURS_FLOATS, Design
from .extent import Extent
from .method import compare, drawn_expiries, fresh_jtis, progress

SMALL = 10_000
"""So few live entries that a batch would change their number: filled anew for each round."""

ISSUER = "https://token.actions.githubusercontent.com"

HALF_EMPTY = 8_000_000
"""The ``max_entries`` of a cache that is made for more than it holds."""

Batches = Mapping[str, tuple[Callable[[], object], int]]


def measure(scale: Extent) -> dict[str, Any]:
    """Return the costs of new and of replayed jtis, by the number of live entries."""
    results: dict[str, Any] = {}
    for live in scale.sizes:
        results |= _costs(live, scale, list(DESIGNS))
    for live in scale.more_sizes:
        results |= _costs(live, scale, [FLOOR, OURS, LOCMEM])
    for live in scale.wide_sizes:
        results |= _costs(live, scale, [FLOOR, OURS, LOCMEM], HALF_EMPTY)
    return results


def measure_threads(scale: Extent) -> dict[str, Any]:
    """Return the costs with several threads at once, by the number of threads."""
    results = {}
    for number in scale.threads:
        progress(f"in-memory reserve, {number} threads")

        def batches(number: int = number) -> Batches:
            return {
                name: _in_threads(make(1_000_000), number) for name, make in DESIGNS.items()
            }

        results[f"new, {number} thread{'s' if number > 1 else ''}"] = compare(
            batches, base=FLOOR, rounds=scale.small_rounds
        )
    return results


def _costs(
    live: int, scale: Extent, names: Collection[str], max_entries: int = 1_000_000
) -> dict[str, Any]:
    progress(f"in-memory reserve, {live:,} live entries of {max_entries:,}")
    batch = 200 if live <= SMALL else 1000
    rounds = scale.small_rounds if live <= SMALL else scale.rounds
    filled: dict[str, tuple[Design, list[str]]] = {}

    def fill() -> None:
        for name in random.sample(list(names), len(names)):
            if live > SMALL:
                progress(f"filling {live:,} entries: {name}")
            design = DESIGNS[name](max(live + 2 * batch * (rounds + 1), max_entries))
            known = fresh_jtis(batch)
            _batch(design, known)()
            for _ in range(live // batch - 1):
                _batch(design, fresh_jtis(batch))()
            filled[name] = design, known

    def new() -> Batches:
        if live <= SMALL or not filled:
            fill()
        prepared = {
            name: (_batch(design, fresh_jtis(batch)), batch)
            for name, (design, _) in filled.items()
        }
        ours = filled[OURS][0]
        prepared[OURS_FLOATS] = _batch(ours, fresh_jtis(batch), kind=float), batch
        return prepared

    def replayed() -> Batches:
        return {
            # The same texts in new objects: nothing about them has been computed.
            name: (_batch(design, [jti[:7] + jti[7:] for jti in known]), batch)
            for name, (design, known) in filled.items()
        }

    size = f"{live:,} live" + (f" of {max_entries:,}" if max_entries == HALF_EMPTY else "")
    return {
        f"new, {size}": compare(new, base=FLOOR, rounds=rounds, clock=time.thread_time_ns),
        f"replayed, {size}": compare(
            replayed, base=FLOOR, rounds=rounds, clock=time.thread_time_ns
        ),
    }


def _batch(
    design: Design, jtis: list[str], kind: Callable[[float], float] = int
) -> Callable[[], object]:
    reserve = design.reserve
    inputs = list(zip(jtis, map(kind, drawn_expiries(len(jtis))), strict=True))

    def run() -> None:
        for jti, expiry in inputs:
            reserve(jti, expiry, namespace=ISSUER)

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
