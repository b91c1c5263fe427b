"""The site that is tortured: its stores, its workers, and the clients that send tokens."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jti_replay.backends.redis.keys import Keys
from jti_replay.backends.redis.options import RedisOptions
from tests.servers import free_port
from tests.servers.ports import wait_for_port

from . import setups
from .client import Orders
from .databases import Database
from .redis_servers import RedisServers
from .setups import Setup
from .shared_state import UNANSWERED, SharedState

ROOT = Path(__file__).parents[2]

# A worker whose clock is late accepts a token a little longer.
AROUND_THE_END = {
    setups.CLOCK_STEPPED: (-0.7, 0.9),
    setups.REQUESTS_WAIT: (-2.0, -0.2),
}
"""When the late replay comes in runs with short-lived tokens, as seconds after they expire."""

POOL = {"min_size": 1, "max_size": 4, "timeout": 5}
THREADS = 12


class Site:
    """A site of one set-up, for one fault. ``with`` starts it, and ends all that it started."""

    redis: RedisServers

    def __init__(
        self,
        setup: Setup,
        fault: str,
        database: Database,
        folder: Path,
        *,
        delay: float,
    ) -> None:
        self.setup = setup
        self.database = database
        self.lost_messages = 0
        self._fault = fault
        self._folder = folder
        self._delay = delay
        self._exits = ExitStack()
        self._server: subprocess.Popen[bytes] | None = None
        self._clients: list[tuple[Orders, subprocess.Popen[bytes]]] = []
        self._environment = {**os.environ}
        self._environment.pop("JTI_REPLAY_REDIS_URL", None)
        # The example project keeps its files there, and the workers import this package.
        self._environment["EXAMPLE_RUN_DIR"] = str(folder)
        self._environment["PYTHONPATH"] = str(ROOT)
        self._environment["DJANGO_SETTINGS_MODULE"] = "benchmarks.torture.settings"

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self._folder.mkdir()
            exits.callback(shutil.rmtree, self._folder, ignore_errors=True)
            port = 0
            if self.setup.uses_redis:
                is_failover = self._fault == setups.REDIS_FAILED_OVER
                self.redis = exits.enter_context(
                    RedisServers(
                        self._folder,
                        persistent=self.setup.persistent,
                        replicated=self.setup.replicated or is_failover,
                        fails_over=is_failover,
                        proxied=self._fault == setups.REPLIES_LOST,
                        delay=self._delay,
                    )
                )
                port = self.redis.port
                self._vouch()
            site = {
                "database": self._database_settings(),
                "redis_port": port,
                "replay_cache": self._cache_settings(),
                "fault": self._fault,
            }
            self._environment["TORTURE_SITE"] = json.dumps(site)
            self._make_tables()
            exits.callback(self._end_processes)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exits.close()

    def start(
        self,
        *,
        tokens: int,
        clients: int,
        copies: int,
        http: bool,
        rate: float,
        late: float,
        limit: float,
    ) -> None:
        """Start the workers, and send the tokens."""
        path = self._folder / "state"
        self.state = self._exits.enter_context(SharedState(path, tokens))
        port = self._serve(path, tokens) if http else None
        orders = Orders(
            state=str(path),
            tokens=tokens,
            client=0,
            clients=clients,
            copies=copies,
            port=port,
            lifetime=setups.SHORT_LIFETIME if self._fault in AROUND_THE_END else 500,
            around_the_end=AROUND_THE_END.get(self._fault),
            fault=self._fault,
            late=late,
            rate=rate,
            started=time.time(),
            limit=limit,
        )
        self._exits.callback(self._end_processes)  # Before the state is closed.
        for client in range(clients):
            its_orders = replace(orders, client=client)
            self._clients.append((its_orders, self._client(its_orders)))

    def is_busy(self) -> bool:
        """Return whether a client still runs."""
        return any(process.poll() is None for _, process in self._clients)

    def kill_worker(self) -> int:
        """Kill one of the processes that serve requests; return how many were."""
        if self._server is not None:
            children = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children")
            workers = children.read_text().split()
            if workers:
                os.kill(int(random.choice(workers)), 9)
            return len(workers[:1])
        at = random.randrange(len(self._clients))
        orders, process = self._clients[at]
        if process.poll() is not None or self.state.finished[orders.client]:
            return 0
        process.kill()
        process.wait()
        self._replace(at)
        return 1

    def replace_crashed(self) -> None:
        """Start those clients again that have died by themselves, and say so."""
        for at, (orders, process) in enumerate(self._clients):
            if process.poll() and not self.state.finished[orders.client]:
                print(f"a client crashed: {process.returncode}", file=sys.stderr, flush=True)
                self._replace(at)

    def _replace(self, at: int) -> None:
        orders, _ = self._clients[at]
        if in_hand := self.state.in_hand[orders.client]:
            self.state.fate[orders.client][in_hand - 1] |= UNANSWERED
        self._clients[at] = orders, self._client(orders)

    def _vouch(self) -> None:
        """Write that the memory is complete, or the run would begin with a cold start."""
        [marker] = Keys(RedisOptions().prefix).markers()
        with self.redis.primary.client() as client:
            client.set(marker, int((time.time() - 60) * 1000))

    def _database_settings(self) -> dict[str, Any]:
        settings = self.database.settings
        if self._fault == setups.SMALL_POOL:
            options = settings.get("OPTIONS", {}) | {"pool": POOL}
            settings = settings | {"OPTIONS": options, "CONN_MAX_AGE": 0}
        return settings

    def _cache_settings(self) -> dict[str, Any]:
        cache = self.setup.cache
        if self._fault == setups.REQUESTS_WAIT:
            cache = cache | {"TTL": 0}  # Or the wait would have to be as long.
        if self._fault == setups.SMALL_POOL:
            cache = cache | {"OPTIONS": {"join": False}}
        return cache

    def _make_tables(self) -> None:
        if not self.database.is_migrated:
            migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
            migrate += ["--skip-checks"]  # One of them asks for the table that this makes.
            subprocess.run(migrate, check=True, env=self._environment, cwd=ROOT)
            self.database.is_migrated = True
        self.database.clear()

    def _client(self, orders: Orders) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.torture.client", str(orders)]
        return subprocess.Popen(command, env=self._environment, cwd=ROOT)

    def _serve(self, state: Path, tokens: int) -> int:
        port = free_port()
        workers = 1 if self._fault == setups.SMALL_POOL else self.setup.workers or 3
        if self._fault == setups.CLIENTS_GO_AWAY:
            command = [
                *(sys.executable, "-m", "uvicorn", "benchmarks.torture.asgi:application"),
                *("--port", str(port), "--workers", str(workers)),
                *("--log-level", "critical", "--lifespan", "off"),
            ]
        else:
            command = [
                *(sys.executable, "-m", "gunicorn", "benchmarks.torture.wsgi"),
                *("--config", "python:benchmarks.torture.gunicorn_conf"),
                *("--bind", f"127.0.0.1:{port}", "--workers", str(workers)),
                *("--threads", str(4 if workers > 1 else THREADS)),
            ]
        more = {"TORTURE_STATE": str(state), "TORTURE_TOKENS": str(tokens)}
        self._server = subprocess.Popen(command, env=self._environment | more, cwd=ROOT)
        wait_for_port(port, self._server)
        return port

    def _end_processes(self) -> None:
        for _, process in self._clients:
            process.kill()
            process.wait()
        self._clients = []
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None
