"""``manage.py jti_replay stats``: show how much the caches hold."""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import Any, ClassVar

from django.core.management.base import CommandError

from jti_replay.backends.base import BaseReplayCache
from jti_replay.doctor.cold_start import beginning
from jti_replay.doctor.time_limit import LIMIT, within

from .failures import in_a_line, lines
from .operation import Operation, caches_named

COLUMNS = ("cache", "entries", "capacity", "backlog", "complete since")


class Stats(Operation):
    """Shows a line of numbers for each cache."""

    summary: ClassVar[str] = "Show how much each cache holds."

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Describe its arguments."""
        parser.add_argument("--cache", help="The alias of one cache. All of them by default.")
        parser.add_argument("--json", action="store_true", help="Write one JSON document.")

    def handle(self, **options: Any) -> None:
        """Ask them all at once."""
        caches = caches_named(options["cache"])
        outcomes = within(LIMIT, {cache.alias: partial(_numbers, cache) for cache in caches})
        failures = {
            alias: outcome
            for alias, outcome in outcomes.items()
            if isinstance(outcome, Exception)
        }
        numbers = {
            alias: outcome
            for alias, outcome in outcomes.items()
            if not isinstance(outcome, Exception)
        }
        if options["json"]:
            failed = {alias: {"error": in_a_line(error)} for alias, error in failures.items()}
            self.stdout.write(json.dumps({"caches": {**numbers, **failed}}, indent=2))
        else:
            self._write(numbers)
        if failures:
            raise CommandError(lines(failures))

    def _write(self, numbers: dict[str, dict[str, Any]]) -> None:
        rows = [COLUMNS, *(_row(alias, each) for alias, each in numbers.items())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
            self.stdout.write("  ".join(cells).rstrip())


def _numbers(cache: BaseReplayCache) -> dict[str, Any]:
    # Of a cache in the memory of server processes, this one knows nothing.
    is_shared = cache.is_shared
    return {
        "entries": cache.count() if is_shared else None,
        "capacity": cache.capacity,
        "backlog": cache.backlog(),
        "complete_since": beginning(cache) if is_shared else None,
    }


def _row(alias: str, numbers: dict[str, Any]) -> tuple[str, ...]:
    entries, *others = numbers.values()
    return alias, _shown(entries, "not counted"), *(_shown(other, "-") for other in others)


def _shown(value: Any, without: str) -> str:
    if value is None:
        return without
    return f"{value:_}" if isinstance(value, int) else str(value)
