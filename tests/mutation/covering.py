"""The tests that run a line, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from coverage import CoverageData

SECONDS, TESTS = 30.0, 100
"""How much of one mutant is tried, whichever is more. More would hardly tell more."""


class Covering:
    """What a run of the tests has shown."""

    def __init__(self, data: CoverageData, took: Mapping[str, float]) -> None:
        self._data = data
        self._took = took
        self._tests: dict[str, dict[int, list[str]]] = {}

    def tests_of(self, path: Path, line: int) -> list[str]:
        """Return the tests that run a line. What runs at import is run by all of the file."""
        contexts = self._contexts(path)
        found = {test for test in contexts.get(line, ()) if test in self._took}
        if not found:
            lines = contexts.values()
            found = {test for tests in lines for test in tests if test in self._took}
        chosen, seconds = [], 0.0
        for test in self._in_order(found):
            seconds += self._took[test]
            if seconds > SECONDS and len(chosen) >= TESTS:
                break
            chosen.append(test)
        return chosen

    def _in_order(self, tests: set[str]) -> list[str]:
        """
        Sort tests: of each function the quickest one, then the second of each, and so on.

        Those of a folder stand together, so that what they share is set up once.
        """
        ranked = []
        seen: Counter[str] = Counter()
        for test in sorted(tests, key=lambda test: self._took[test]):
            function = test.partition("[")[0]
            folder = test.rpartition("/")[0]
            ranked.append((seen[function], folder, self._took[test], test))
            seen[function] += 1
        return [test for *_, test in sorted(ranked)]

    def seconds_of(self, test: str) -> float:
        """Return how long a test took."""
        return self._took[test]

    def _contexts(self, path: Path) -> dict[int, list[str]]:
        name = str(path)
        if name not in self._tests:
            self._tests[name] = self._data.contexts_by_lineno(name)
        return self._tests[name]
