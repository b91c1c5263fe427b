from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.stopwatch import SLACK, takes_at_most


def test_what_takes_too_long_fails() -> None:
    with pytest.raises(AssertionError), takes_at_most(0.1):
        time.sleep(3)  # A busy machine is forgiven much of it.


def test_what_ends_too_early_fails() -> None:
    with pytest.raises(AssertionError), takes_at_most(0.2, at_least=0.1):
        pass


def test_what_takes_as_long_as_it_may_passes() -> None:
    with takes_at_most(0.2, at_least=0.1):
        time.sleep(0.1)


STANDS_STILL = """
import os, signal
from tests.stopwatch import takes_at_most
with takes_at_most(0):
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_that_nothing_could_run_is_not_held_against_it() -> None:
    with subprocess.Popen([sys.executable, "-c", STANDS_STILL]) as process:
        os.waitpid(process.pid, os.WUNTRACED)
        time.sleep(2 * SLACK)
        process.send_signal(signal.SIGCONT)
        assert process.wait(10) == 0
