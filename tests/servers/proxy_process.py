"""
A TCP proxy in a process of its own, which loses messages at random, delays them, and can be
told to lead to another server: in lines of JSON on its standard input, with which it ends.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from types import TracebackType
from typing import Any, Self, cast

from .proxy import Loss, Proxy


class ProxyProcess:
    """A running proxy, as the process that started it sees it."""

    def __init__(self, target: int, *, delay: float = 0.0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(target), str(delay)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._read())

    def lead_to(self, target: int) -> None:
        """Lead all connections to another port from now on, and close those that are open."""
        self._tell(target=target)

    def lose(self, shares: dict[str, float]) -> None:
        """Lose messages at random: these shares of the requests, by kind of loss."""
        self._tell(losses=shares)

    def lost(self) -> int:
        """Return how many messages were lost so far."""
        return int(self._tell())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def _tell(self, **order: Any) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


class RandomLosses:
    """Loses shares of the requests that reserve or release, by kind of loss."""

    def __init__(self) -> None:
        self.shares: dict[str, float] = {}
        self.lost = 0

    def fate(self, request: bytes) -> Loss | None:
        """Return what becomes of a request."""
        if not self.shares or b"EVAL" not in request:
            return None
        chance = random.random()
        for loss, share in self.shares.items():
            if chance < share:
                self.lost += 1
                return cast("Loss", loss)
            chance -= share
        return None


def _main(target: int, delay: float) -> None:
    losses = RandomLosses()
    with Proxy(target, losses.fate, delay=delay) as proxy:
        print(proxy.port, flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            losses.shares = order.get("losses", losses.shares)
            if "target" in order:
                proxy.lead_to(order["target"])
            print(losses.lost, flush=True)
        os._exit(0)  # With all connections, at once.


if __name__ == "__main__":
    _main(int(sys.argv[1]), float(sys.argv[2]))
