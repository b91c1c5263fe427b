from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from tests.standstill import WITNESS, StoodStill, judge
from tests.witness import NOTABLE


@pytest.fixture
def failing(request: pytest.FixtureRequest) -> Any:
    """A test that has begun, and is about to fail."""
    generator = judge(request.node)
    next(generator)
    return generator


def test_a_failure_is_believed(failing: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        failing.throw(ZeroDivisionError)


def test_a_failure_while_the_machine_stood_still_is_not(
    request: pytest.FixtureRequest, failing: Any
) -> None:
    """All processes stop then, and so does the witness."""
    witness = request.config.stash[WITNESS]
    os.kill(witness.pid, signal.SIGSTOP)
    time.sleep(5 * NOTABLE)
    os.kill(witness.pid, signal.SIGCONT)
    with pytest.raises(StoodStill, match="stood still for"):
        failing.throw(ZeroDivisionError)
