"""The Redis of a run: a primary, perhaps a replica, and proxies before them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.proxy_process import ProxyProcess
from tests.servers.redis import RedisProcess, redis_executable


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
        self.primary = _server(folder / "a", persistent=persistent)
        self.replica = _server(folder / "b", persistent=persistent) if replicated else None
        self.proxy: ProxyProcess | None = None
        self._proxied, self._fails_over, self._delay = proxied, fails_over, delay
        self._link: ProxyProcess | None = None
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
        self.primary.stop()
        with self.replica.client_without_retries() as client:
            client.replicaof("NO", "ONE")
        self.primary, self.replica = self.replica, self.primary
        self.proxy.lead_to(self.primary.port)
        self._link.lead_to(self.primary.port)
        self.replica.start(*_following(self._link.port))
        self.wait_for_replica()

    def wait_for_replica(self) -> None:
        """Wait until the replica has all that the primary has."""
        if self.replica is not None:
            # Not until it says that the link is up: it may take a second from then until the
            # stream begins.
            with self.primary.client_without_retries() as client:
                client.set("replicated", 1)
                for _ in range(20):
                    if client.wait(1, 1000):
                        return
            raise RuntimeError("the replica does not follow")

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            exits.callback(self.primary.stop)
            self.primary.start()
            if self.replica is not None:
                port = self.primary.port
                if self._fails_over:
                    self._link = exits.enter_context(ProxyProcess(port, delay=self._delay))
                    port = self._link.port
                exits.callback(self.replica.stop)
                self.replica.start(*_following(port))
                self.wait_for_replica()
            if self._proxied or self._fails_over:
                self.proxy = exits.enter_context(ProxyProcess(self.primary.port))
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exits.close()


def _server(folder: Path, *, persistent: bool) -> RedisProcess:
    folder.mkdir()
    return RedisProcess(
        redis_executable() or "redis-server",
        *("--dir", str(folder), "--repl-timeout", "5"),
        # With everysec it would answer before it writes whenever the disk is busy.
        *("--appendonly", "yes" if persistent else "no", "--appendfsync", "always"),
    )


def _following(port: int) -> list[str]:
    return ["--replicaof", "127.0.0.1", str(port)]
