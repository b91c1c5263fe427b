"""The tests that run a line, the quickest ones first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from coverage import CoverageData

from .plugin import DURATIONS

SHARED = ("tests/backends/test_conformance.py", "tests/docs/test_docs.py")
MOST = 60
"""Tests that one mutant is tried with."""


class Covering:
    """What a run of the tests has shown."""

    def __init__(self, root: Path, tests: Sequence[str]) -> None:
        self._root = root
        durations, data_file = root / ".durations", root / ".coverage-mutation"
        variables = {
            DURATIONS: str(durations),
            "COVERAGE_FILE": str(data_file),
            "COVERAGE_CORE": "ctrace",  # The only one that knows contexts.
        }
        command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", "-q"]
        command += ["-p", "tests.mutation.plugin", *tests]
        subprocess.run(command, cwd=root, env=os.environ | variables, check=True)
        subprocess.run(
            [sys.executable, "-m", "coverage", "combine", "--quiet"],
            cwd=root,
            env=os.environ | variables,
            check=True,
        )
        self._took: dict[str, float] = json.loads(durations.read_text())
        self._data = CoverageData(str(data_file))
        self._data.read()

    def tests_of(self, path: Path, line: int) -> list[str]:
        """Return the tests that run a line. What runs at import is run by all of the file."""
        contexts = self._data.contexts_by_lineno(str(self._root / path))
        found = {test for test in contexts.get(line, ()) if test}
        if not found:
            found = {test for tests in contexts.values() for test in tests if test}
        return sorted(found, key=lambda test: self._took.get(test, 0.0))[:MOST]

    def seconds_for(self, tests: Sequence[str]) -> float:
        """Return how long the tests took."""
        return sum(self._took.get(test, 0.0) for test in tests)


def tests_for(paths: Sequence[Path], root: Path) -> list[str]:
    """Return the folders of tests that mirror modules, and the tests that are of all."""
    found = {test for test in SHARED if (root / test).exists()}
    for path in paths:
        folder = Path("tests", *path.parts[1:-1])
        while not (root / folder).exists() or folder.name == "backends":
            folder = folder.parent
        found.add(str(folder))
    if "tests" in found:
        return ["tests"]
    return sorted(found)
