"""Of gunicorn: each worker gets a clock of its own, which the board can step."""

import os
from pathlib import Path
from typing import Any

from benchmarks.torture.board import LANES, Board
from benchmarks.torture.clock import step_by

worker_class = "gthread"
workers = 3
threads = 4
keepalive = 30
graceful_timeout = 2
loglevel = "critical"


def post_fork(server: Any, worker: Any) -> None:
    """Step the clock of the new worker from now on."""
    board = Board(Path(os.environ["TORTURE_BOARD"]), int(os.environ["TORTURE_TOKENS"]))
    lane = worker.age % LANES
    step_by(lambda: board.offsets[lane])
