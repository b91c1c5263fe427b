"""A Redis of one's own, which a test may stop, pause, start again and configure."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from tests.servers import free_port

WITHOUT_FILES = [
    *("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"),
    *("--repl-diskless-load", "swapdb"),
]
"""Let replicas be filled at once, and leave no snapshot behind that a restart would load."""


class RedisProcess:
    """A Redis on a free port. ``with`` starts and stops it; it holds nothing on disk."""

    def __init__(self, executable: str, *options: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [executable, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._command += ["--save", "", "--appendonly", "no", *WITHOUT_FILES, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start_sentinel(self, config: Path) -> None:
        """Start as a Sentinel, which keeps what it knows in its configuration."""
        self._command = [self._command[0], str(config), "--port", str(self.port), "--sentinel"]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the Redis on port {self.port} did not start")
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def pause(self) -> None:
        """Let it answer nobody, while its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        with redis.Redis(port=self.port, retry=None) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                return False
