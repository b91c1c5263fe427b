"""A wall clock that can be stepped, for one process: by what the shared state says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

real_time = time.time


def step_by(offset: Callable[[], float]) -> None:
    """Let time.time() of this process be wrong by so many seconds."""

    def stepped() -> float:
        return real_time() + offset()

    time.time = cast("Callable[[], float]", stepped)
