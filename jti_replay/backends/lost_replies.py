"""Reservations whose reply was lost: they are taken back once the store answers again."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from jti_replay.conf.forks import new_lock

ROOM = 10_000
"""Lost replies that are remembered. More stay reserved until they expire: the safe side."""

BATCH = 500

SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two tries while the store does not answer."""

SECOND_PASS_DELAY = 1.0
"""
Seconds until they are released a second time: a server that was paused carries out what it
finds in its buffers, in any order.
"""


class LostReply(NamedTuple):
    """A reservation that no caller has: only a reply would have told it the owner."""

    key: bytes
    owner: Hashable
    expiry: float


class LostReplies:
    """
    Releases, by their owners, reservations whose reply never came.

    The caller got an error, so that no work was done for the token; but the store may have
    carried the reserve out, or may still do so. The client's own retry would then be taken
    for a replay. A thread sees to it, only as long as there are any.

    ``release`` releases a batch, or raises. It must take a bounded time.
    """

    def __init__(self, release: Callable[[Sequence[LostReply]], None]) -> None:
        self._release = release
        self._lost: dict[Hashable, LostReply] = {}
        self._lock = new_lock()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def add(self, key: bytes, owner: Hashable, expiry: float) -> None:
        """Take back a reservation, which expires by itself at a moment (since 1970)."""
        with self._lock:
            if self._pid != os.getpid():
                # The parent of a forked child goes on with what it has lost.
                self._pid, self._thread = os.getpid(), None
                self._lost.clear()
            if len(self._lost) >= ROOM:
                return
            self._lost[owner] = LostReply(key, owner, expiry)
            if self._thread is None:
                try:
                    self._start()
                except BaseException:
                    # A signal handler's. A thread whose start it interrupts may end before it
                    # runs, and two of them do no harm.
                    self._start()
                    raise

    def forget(self) -> None:
        """Let those that are left expire by themselves."""
        self._lost.clear()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="jti_replay.lost_replies", daemon=True)
        thread.start()
        self._thread = thread

    def _run(self) -> None:
        pause = SHORTEST_PAUSE
        while batch := self._next():
            try:
                self._release(batch)
                time.sleep(SECOND_PASS_DELAY)
                self._release(batch)
            except Exception:
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                pause = SHORTEST_PAUSE
                for lost in batch:
                    self._lost.pop(lost.owner, None)

    def _next(self) -> list[LostReply]:
        with self._lock:
            now = time.time()
            for lost in [lost for lost in self._lost.values() if lost.expiry <= now]:
                del self._lost[lost.owner]
            batch = list(self._lost.values())[:BATCH]
            if not batch:
                self._thread = None  # The next one starts another.
            return batch
