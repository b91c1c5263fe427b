"""The cache in memory after a fork: the child has what was there, and a cache of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from jti_replay import replay_cache
from tests.backends.memory import forking

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


@pytest.fixture(autouse=True)
def empty_cache(settings: Any) -> None:
    settings.JTI_REPLAY = {}


def in_child(work: Callable[[], bool]) -> bool:
    """Return what a forked child answers."""
    with warnings.catch_warnings():
        # Python warns of a fork beside threads, which others may have left here.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


def test_a_child_remembers_what_was_reserved_before_it() -> None:
    assert replay_cache.reserve("before")
    assert in_child(lambda: replay_cache.reserve("before") is None)


def test_what_a_child_reserves_is_not_reserved_in_its_parent() -> None:
    assert in_child(lambda: replay_cache.reserve("after") is not None)
    assert replay_cache.reserve("after")
    assert replay_cache.count() == 1


def test_what_a_child_releases_stays_reserved_in_its_parent() -> None:
    reservation = replay_cache.reserve("held")
    assert reservation
    assert in_child(reservation.release)
    assert replay_cache.reserve("held") is None
    assert reservation.release() is True


def test_a_child_does_not_wait_for_a_lock_that_nobody_will_let_go() -> None:
    """Its parent's other threads held it at the moment of the fork."""
    command = [sys.executable, "-m", forking.__name__, "50"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert process.stdout.split() == ["done"] * 50
