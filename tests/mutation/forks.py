"""
A pytest plugin that runs the tests once, and then those of each mutant in a fork of it.

So the servers that the tests share are started once, and a mutant costs a fork and the tests
that it takes to notice it. A failure counts only if it is the mutant's: the test passes in a
fork without it, and fails alone with it, or passes after the same tests without it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import coverage
import pytest
from asgiref.sync import SyncToAsync
from django.db import connections

from .covering import Covering
from .mutants import Mutant
from .swapping import swap

ORDERS = "MUTATION_ORDERS"
"""The environment variable that names the file of the mutants."""

SLACK = 10.0
"""Seconds that a test may take beside three times what it took."""

MEMORY = 8 << 30
"""Bytes of addresses that a mutant may use."""

_took: dict[str, float] = {}
_failed: set[str] = set()


class Anchor(pytest.Item):
    """Stands for a next test, so that what belongs to the session is kept."""

    def runtest(self) -> None:
        """Do nothing."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    measured = coverage.Coverage.current()
    if measured is not None:
        measured.switch_context(item.nodeid)
    _forget_results()
    start = time.monotonic()
    result = yield
    _took[item.nodeid] = time.monotonic() - start
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _failed.add(report.nodeid)


def _forget_results() -> None:
    """Clear what ``functools.cache`` keeps, or only the first test would run the line."""
    for name, module in list(sys.modules.items()):
        if name.startswith("jti_replay.") and not name.startswith("jti_replay.testing"):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


@pytest.hookimpl
def pytest_runtestloop(session: pytest.Session) -> bool:
    anchor = Anchor.from_parent(session, name="anchor")
    for item, following in zip(session.items, [*session.items[1:], anchor], strict=True):
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
    orders = json.loads(Path(os.environ[ORDERS]).read_text())
    trials = Trials(session, anchor, _measured())
    with Path(orders["answers"]).open("w") as answers:
        for number, fields in enumerate(orders["mutants"]):
            mutant = Mutant(**fields | {"path": Path(fields["path"])})
            answer = {"number": number} | trials.of(mutant)
            print(json.dumps(answer), file=answers, flush=True)
    session._setupstate.teardown_exact(None)
    return True


def _measured() -> Covering:
    measured = coverage.Coverage.current()
    assert measured is not None
    measured.stop()
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
    passed = {test: seconds for test, seconds in _took.items() if test not in _failed}
    return Covering(measured.get_data(), passed)


class Trials:
    """The trials of mutants, each in a process of its own."""

    def __init__(
        self, session: pytest.Session, anchor: pytest.Item, covering: Covering
    ) -> None:
        self._session = session
        self._anchor = anchor
        self._covering = covering
        self._items = {item.nodeid: item for item in session.items}
        self._is_trusted: dict[str, bool] = {}
        self._noticed: Counter[tuple[Path, str]] = Counter()

    def of(self, mutant: Mutant) -> dict[str, object]:
        """Return whether a mutant lives, None if only another process can tell, and tests."""
        path = Path.cwd() / mutant.path
        mutated = mutant.applied(path.read_bytes())
        tests = self._covering.tests_of(path, mutant.line)
        # Those first that have noticed others of the file.
        tests.sort(key=lambda test: -self._noticed[path, test])
        while True:
            tests = [test for test in tests if self._is_trusted.get(test, True)]
            passed = self._passed(tests, path, mutated)
            if passed is None or passed == len(tests):
                return {"lives": None if passed is None else True, "tests": tests}
            test = tests[passed]
            if test not in self._is_trusted:
                self._is_trusted[test] = self._passed([test]) == 1
            if self._is_trusted[test] and (
                self._passed([test], path, mutated) == 0
                or self._passed(tests[: passed + 1]) == passed + 1
            ):
                self._noticed[path, test] += 1
                return {"lives": False, "tests": [test]}
            self._is_trusted[test] = False

    def _passed(
        self, tests: Sequence[str], path: Path | None = None, mutated: bytes = b""
    ) -> int | None:
        """Return how many tests pass before one fails. None if the mutant cannot be tried."""
        _close_connections()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.close(reading)
                    _be_a_process_of_its_own(folder)
                    self._try(tests, path, mutated, writing)
                finally:
                    os._exit(1)
            os.close(writing)
            try:
                return self._followed(tests, reading)
            finally:
                os.close(reading)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def _followed(self, tests: Sequence[str], reading: int) -> int | None:
        if not select.select([reading], [], [], SLACK)[0] or os.read(reading, 1) != b"+":
            return None
        for passed, test in enumerate(tests):
            limit = 3 * self._covering.seconds_of(test) + SLACK
            if not select.select([reading], [], [], limit)[0] or os.read(reading, 1) != b"+":
                return passed
        return len(tests)

    def _try(
        self, tests: Sequence[str], path: Path | None, mutated: bytes, writing: int
    ) -> None:
        self._session.config.pluginmanager.unregister(name="terminalreporter")
        os.write(writing, b"+" if path is None or swap(path, mutated) else b"-")
        items = [self._items[test] for test in tests]
        for item, following in zip(items, [*items[1:], self._anchor], strict=True):
            failed = self._session.testsfailed
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            os.write(writing, b"-" if self._session.testsfailed > failed else b"+")


def _close_connections() -> None:
    # A child must not share them, nor take a thread for its own that it does not have.
    connections.close_all()
    SyncToAsync.single_thread_executor.shutdown()
    SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)


def _be_a_process_of_its_own(folder: str) -> None:
    """Be silent, and leave nothing behind: the servers of a group end with it."""
    os.setsid()
    tempfile.tempdir = os.environ["TMPDIR"] = folder
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
