"""A TCP proxy that loses the messages that a test names."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .proxy import Loss, Proxy


def every_request(request: bytes) -> bool:
    """Return True."""
    return True


def is_work(request: bytes) -> bool:
    """Return whether a request asks for a reserve or release, not for a connection's setup."""
    return b"EVAL" in request


class LossyProxy(Proxy):
    """
    A proxy whose losses a test orders.

    ``requests`` are those that could have been lost since the last order, ``lost`` is how many
    were.
    """

    def __init__(self, port: int, *, delay: float = 0.0) -> None:
        super().__init__(port, self._next_loss, delay=delay)
        self.requests: list[bytes] = []
        self.lost = 0
        self._orders = threading.Lock()
        self._losses: list[Loss | None] = []
        self._loses_all: Loss | None = None
        self._counts: Callable[[bytes], bool] = is_work

    def lose(self, *losses: Loss | None, among: Callable[[bytes], bool] = is_work) -> None:
        """Let the next requests among some suffer these losses; None passes one on."""
        with self._orders:
            self._losses, self._loses_all, self._counts = list(losses), None, among
            self.requests, self.lost = [], 0

    def lose_all(self, loss: Loss, *, among: Callable[[bytes], bool] = every_request) -> None:
        """Let all requests among some suffer the same."""
        with self._orders:
            self._losses, self._loses_all, self._counts = [], loss, among
            self.requests, self.lost = [], 0

    def _next_loss(self, request: bytes) -> Loss | None:
        with self._orders:
            if not self._counts(request):
                return None
            self.requests.append(request)
            loss = self._loses_all
            if self._losses:
                loss = self._losses.pop(0)
            self.lost += loss is not None
            return loss
