r"""
Measure what the guard costs, beside its peers, and whether it holds its targets.

    python -m benchmarks                                     all of it
    python -m benchmarks --quick                             the most of it, in a minute
    python -m benchmarks --section request                   a part of it

It writes its figures into the docs; with --from in place of --json without measuring:

    python -m benchmarks --json benchmarks/results/performance.json \
        --plots benchmarks/results --render
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.cache.backends import locmem

from . import (
    database_cost,
    dpop_cost,
    framework_cost,
    kind_cost,
    machine,
    memory_cost,
    memory_size,
    pauses,
    redis_cost,
    request_cost,
)
from .extent import FULL, QUICK, SMOKE, Extent
from .method import progress
from .report import render, render_summary
from .tables import as_text, tables

SECTIONS: dict[str, Callable[[Extent], Any]] = {
    "memory": memory_cost.measure,
    "threads": memory_cost.measure_threads,
    "memory size": memory_size.measure,
    "pauses": pauses.measure,
    "redis": lambda scale: redis_cost.measure(scale.small_rounds),
    "database": lambda scale: database_cost.measure(scale.databases, scale.small_rounds),
    "request": lambda scale: {
        **request_cost.measure(scale.small_rounds),
        "DPoP": dpop_cost.measure(scale.small_rounds),
        **kind_cost.measure(scale.small_rounds),
        **framework_cost.measure(scale.small_rounds),
    },
}
"""What is measured, in this order. Each gives a dict of tables; None if it has no server."""


def main() -> None:
    """Measure, or read what was measured, and show it."""
    arguments = _arguments()
    if arguments.source:
        results = json.loads(arguments.source.read_text())
    else:
        results = measure(arguments.scale or FULL, arguments.sections or SECTIONS)
    for title, rows in tables(results):
        if title != "Targets":
            print(f"\n{title}\n{as_text(rows)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    if arguments.plots:
        from .plots import draw

        draw(results, arguments.plots)
    if arguments.render:
        render(results)
        render_summary(results)
    print(f"\n{results['machine']}")
    title, rows = next(tables(results))
    print(f"\n{title}\n{as_text(rows)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--quick", action="store_const", const=QUICK, dest="scale")
    scale.add_argument(
        "--smoke",
        action="store_const",
        const=SMOKE,
        dest="scale",
        help="run each part for a moment; the figures mean nothing",
    )
    scale.add_argument(
        "--from", type=Path, metavar="FILE", dest="source", help="measure nothing, read this"
    )
    parser.add_argument(
        "--section",
        action="append",
        choices=SECTIONS,
        dest="sections",
        help="measure this part alone; it may be given several times",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write the plots here")
    parser.add_argument(
        "--render",
        action="store_true",
        help="write the figures into docs/topics/performance.md and README.md",
    )
    arguments = parser.parse_args()
    if arguments.sections and (arguments.render or arguments.plots):
        parser.error("--render and --plots show all of the figures: leave --section out.")
    return arguments


def measure(scale: Extent, sections: Iterable[str]) -> dict[str, Any]:
    """Return the results of some sections."""
    settings.configure(
        SECRET_KEY="s" * 50,
        INSTALLED_APPS=["jti_replay"],
        # Replays are part of what is measured, but not what logging does with them.
        LOGGING={"version": 1, "loggers": {"jti_replay": {"level": "CRITICAL"}}},
    )
    django.setup()
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    results: dict[str, Any] = {"machine": machine.describe(command)}
    started = time.monotonic()
    for name in sections:
        results[name] = SECTIONS[name](scale)
        # It keeps its entries in its module, and the collector would look through them all.
        locmem._caches.clear()
        gc.collect()
    progress(f"measured in {time.monotonic() - started:.0f} seconds\n")
    return results


if __name__ == "__main__":
    main()
