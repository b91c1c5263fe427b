from __future__ import annotations

import time

import pytest

from tests.stopwatch import SLACK, takes_at_most


def test_what_takes_too_long_fails() -> None:
    with pytest.raises(AssertionError), takes_at_most(0.1):
        time.sleep(0.2 + SLACK)


def test_what_ends_too_early_fails() -> None:
    with pytest.raises(AssertionError), takes_at_most(0.2, at_least=0.1):
        pass


def test_what_takes_as_long_as_it_may_passes() -> None:
    with takes_at_most(0.2, at_least=0.1):
        time.sleep(0.1)


def test_that_no_thread_could_run_is_not_held_against_it() -> None:
    with takes_at_most(0):
        sum(range(30_000_000))  # It keeps the interpreter to itself.
