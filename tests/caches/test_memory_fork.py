"""The cache in memory after a fork: the child has what was there, and a cache of its own."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jti_replay import replay_cache

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


@pytest.fixture(autouse=True)
def empty_cache(settings: Any) -> None:
    settings.JTI_REPLAY = {}


def in_child(work: Callable[[], bool]) -> bool | None:
    """Return what a forked child answers, or None if it does not end."""
    with warnings.catch_warnings():
        # Python warns of a fork beside threads, which is what is tried here.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


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


@pytest.fixture
def busy_threads() -> Iterator[None]:
    """Threads that use the cache without pause, so that a fork finds its locks held."""
    stopping = threading.Event()

    def work(worker: int) -> None:
        number = 0
        while not stopping.is_set():
            reservation = replay_cache.reserve(f"{worker} {number}", namespace="x" * 5000)
            assert reservation
            reservation.release()
            number += 1

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    yield
    stopping.set()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("busy_threads")
def test_a_child_does_not_wait_for_a_lock_that_nobody_will_let_go() -> None:
    def work() -> bool:
        made = [replay_cache.reserve(f"{number}") for number in range(300)]
        return all(made) and all(reservation.release() for reservation in made if reservation)

    assert [in_child(work) for _ in range(30)] == [True] * 30
