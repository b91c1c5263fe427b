"""How costs are compared: fresh inputs, designs interleaved at random, a ratio per round."""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict


class Cost(TypedDict):
    """The median cost of one operation, and of its ratio to the base in the same round."""

    ns: float
    ratio: float


def fresh_jtis(number: int) -> list[str]:
    """Return new strings, whose hashes have not been computed yet."""
    return [f"{random.getrandbits(128):032x}" for _ in range(number)]


def drawn_expiries(number: int) -> list[float]:
    """
    Return the ``exp`` of so many tokens, in seconds since 1970: spread over an hour, as those
    of an issuer are. The TTL of a cache, 300 seconds, outlasts some of them.
    """
    now = time.time()
    return [now + random.uniform(60, 3660) for _ in range(number)]


def compare(
    batches: Callable[[], Mapping[str, tuple[Callable[[], object], int]]],
    *,
    base: str,
    rounds: int,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> dict[str, Cost]:
    """
    Run what ``batches`` gives, again for each round: by name, a batch and its operations.

    Return the costs by name, as medians over the rounds. :func:`time.thread_time_ns` is the
    better clock for what waits for nobody: it stands still while others have the processor.
    """
    times: dict[str, list[float]] = {}
    order: list[str] = []
    for _ in range(rounds):
        prepared = list(batches().items())
        order = sorted((name for name, _ in prepared), key=lambda name: name != base)
        random.shuffle(prepared)
        for name, (run, operations) in prepared:
            start = clock()
            run()
            spent = clock() - start
            times.setdefault(name, []).append(spent / operations)
    return {
        name: Cost(
            ns=statistics.median(times[name]),
            ratio=statistics.median(
                a / b for a, b in zip(times[name], times[base], strict=True)
            ),
        )
        for name in order
    }


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return a percentile of numbers that are in order."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def progress(text: str) -> None:
    """Show what is being measured, on one line of a terminal that is written over."""
    sys.stderr.write(f"\r\033[K{text}" if sys.stderr.isatty() else f"{text}\n")
    sys.stderr.flush()
