"""Reservations that nobody knows of: they are taken back once the server answers again."""

from __future__ import annotations

import errno
import threading
import time
from typing import NamedTuple

from redis.exceptions import ConnectionError, ResponseError

from jti_replay.backends.redis.transport.clients import RedisClients

from .scripts import RELEASE

MOST = 10_000
"""Orphans that are remembered. The others stay until they expire, which is on the safe side."""

BATCH = 500

SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two tries while the server does not answer."""

SETTLING = 1.0
"""
Seconds until they are released a second time: a server that was paused carries out what it
finds in its buffers, in any order.
"""


REFUSED = f"Error {errno.ECONNREFUSED} connecting to "
"""How redis-py begins to tell that nobody listens."""


class Orphan(NamedTuple):
    """A reservation whose reply was lost, and with it the only one who could use it."""

    key: bytes
    owner: bytes
    expiry: float


class Orphans:
    """
    Releases, by their owner tokens, reservations whose reply never came.

    The caller got an error, so that no work was done for the token; but the server may have
    carried the reserve out, or may still do so. The client's own retry would then be taken
    for a replay. A thread sees to it, only as long as there are any.

    ``wait`` (seconds) is how long one try may take.
    """

    def __init__(self, clients: RedisClients, wait: float) -> None:
        self._clients = clients
        self._wait = wait
        self._orphans: dict[bytes, Orphan] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, key: bytes, owner: bytes, expiry: float) -> None:
        """Take back a reservation, which expires by itself at a moment (since 1970)."""
        # A fork may have left the lock behind, held.
        if len(self._orphans) >= MOST or not self._lock.acquire(timeout=self._wait):
            return
        try:
            self._orphans[owner] = Orphan(key, owner, expiry)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="jti_replay.orphans", daemon=True
                )
                self._thread.start()
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Let those that are left expire by themselves."""
        self._orphans.clear()

    def _run(self) -> None:
        pause = SHORTEST_PAUSE
        while batch := self._next():
            try:
                self._release(batch)
                time.sleep(SETTLING)
                self._release(batch)
            except Exception:
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                pause = SHORTEST_PAUSE
                for orphan in batch:
                    self._orphans.pop(orphan.owner, None)

    def _next(self) -> list[Orphan]:
        with self._lock:
            batch = list(self._orphans.values())[:BATCH]
            if not batch:
                self._thread = None  # Whoever comes next starts another one.
            return batch

    def _release(self, batch: list[Orphan]) -> None:
        now = time.time()
        commands = [
            (orphan.key, RELEASE.by_source([orphan.key], [orphan.owner]))
            for orphan in batch
            if orphan.expiry > now
        ]
        if commands:
            for reply in self._clients.get().send_each(commands, time.monotonic() + self._wait):
                if isinstance(reply, Exception):
                    raise reply


def was_refused(error: BaseException | None) -> bool:
    """
    Return whether nothing was carried out in any of the attempts that led to an error: nobody
    took the connection, or the server answered that it would not do it.
    """
    while error is not None:
        if isinstance(error, ConnectionError):
            # redis-py does not always keep the cause.
            if not str(error).startswith(REFUSED):
                return False
        elif not isinstance(error, (ConnectionRefusedError, ResponseError)):
            return False
        error = error.__context__
    return True
