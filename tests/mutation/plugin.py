"""A pytest plugin that notes which test runs which lines, and for how long."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

DURATIONS = "MUTATION_DURATIONS"
"""The environment variable that names the file for the durations of tests, in seconds."""

_took: dict[str, float] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    measured = coverage.Coverage.current()
    assert measured is not None
    measured.switch_context(item.nodeid)
    start = time.monotonic()
    result = yield
    _took[item.nodeid] = time.monotonic() - start
    return result


def pytest_sessionfinish() -> None:
    Path(os.environ[DURATIONS]).write_text(json.dumps(_took))
