from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction

from jti_replay import replay_cache

LIMIT = 20
"""Seconds after which a thread of a test is given up."""


class Rival:
    """Somebody who has reserved a jti in a transaction that is still open."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._ended = threading.Event()
        self._commits = False

    def end(self, *, commit: bool) -> None:
        """End the transaction, and return when it has ended."""
        self._commits = commit
        self._end.set()
        assert self._ended.wait(LIMIT)

    def end_later(self, seconds: float, *, commit: bool) -> None:
        threading.Timer(seconds, self.end, kwargs={"commit": commit}).start()

    def hold(self, alias: str, jti: str, namespace: str, held: threading.Event) -> None:
        try:
            with transaction.atomic(alias):
                assert replay_cache.reserve(jti, namespace=namespace)
                held.set()
                assert self._end.wait(LIMIT)
                transaction.set_rollback(not self._commits, using=alias)
        finally:
            self._ended.set()
            connections.close_all()


@contextmanager
def rival(alias: str, jti: str, namespace: str = "") -> Iterator[Rival]:
    """Let somebody else reserve a jti, and roll back at the end of the block at the latest."""
    somebody, held = Rival(), threading.Event()
    with ThreadPoolExecutor(1) as executor:
        holding = executor.submit(somebody.hold, alias, jti, namespace, held)
        assert held.wait(LIMIT)
        try:
            yield somebody
        finally:
            somebody._end.set()
            holding.result(LIMIT)


def in_thread(executor: ThreadPoolExecutor, work: Callable[[], Any]) -> Future[Any]:
    """Run some work in a thread that closes its connections."""

    def run() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    return executor.submit(run)
