"""Of gunicorn: each worker gets a clock of its own, which the shared state can step."""

import os
from pathlib import Path
from typing import Any

from benchmarks.torture.clock import step_by
from benchmarks.torture.shared_state import MOST_CLIENTS, SharedState

worker_class = "gthread"
keepalive = 30
graceful_timeout = 2
loglevel = "critical"


def post_fork(server: Any, worker: Any) -> None:
    """Step the clock of the new worker from now on."""
    state = SharedState(Path(os.environ["TORTURE_STATE"]), int(os.environ["TORTURE_TOKENS"]))
    clock = worker.age % MOST_CLIENTS
    step_by(lambda: state.offsets[clock])
