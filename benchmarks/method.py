"""How costs are compared: fresh inputs, designs interleaved at random, a ratio per round."""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """The median cost of one operation, and its ratio to the base in the same round."""

    nanoseconds: float
    ratio: float


def fresh_jtis(number: int) -> list[str]:
    """Return new strings, whose hashes have not been computed yet."""
    return [f"{random.getrandbits(128):032x}" for _ in range(number)]


def compare(
    batches: Callable[[], Mapping[str, tuple[Callable[[], object], int]]],
    *,
    base: str,
    rounds: int,
) -> dict[str, Cost]:
    """
    Run what ``batches`` gives, again for each round: by name, a batch and its operations.

    Return the costs by name, as medians over the rounds.
    """
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        prepared = list(batches().items())
        random.shuffle(prepared)
        for name, (run, operations) in prepared:
            start = time.perf_counter_ns()
            run()
            spent = time.perf_counter_ns() - start
            times.setdefault(name, []).append(spent / operations)
    return {
        name: Cost(
            statistics.median(measured),
            statistics.median(a / b for a, b in zip(measured, times[base], strict=True)),
        )
        for name, measured in times.items()
    }


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return a percentile of numbers that are in order."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def progress(text: str) -> None:
    """Show what is being measured."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
    else:
        sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
