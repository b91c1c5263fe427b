"""A replay cache in the memory of one process."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

from django.core import checks

from jti_replay.exceptions import CacheFull

from .base import BaseReplayCache

DEFAULT_MAX_ENTRIES = 1_000_000
SWEEP_BATCH = 8
"""Expired entries that one reserve sweeps at the most. More than one, so that it keeps up."""


class InMemoryCache(BaseReplayCache):
    """
    Keeps jtis in this process, and forgets them when it ends.

    Each process has its own: with several workers a token is accepted once by each of them.
    ``OPTIONS["max_entries"]`` live entries are held at the most.
    """

    known_options: ClassVar[frozenset[str]] = frozenset({"max_entries"})
    is_shared: ClassVar[bool] = False

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.max_entries: int = self.options.get("max_entries", DEFAULT_MAX_ENTRIES)
        self._lock = threading.Lock()
        self._owners = itertools.count()
        self._entries: dict[bytes, tuple[int, int]] = {}  # digest: (expiry, owner)
        self._by_expiry: dict[int, set[bytes]] = {}
        self._expiries: list[int] = []  # A heap of the keys of _by_expiry.

    def add(self, digest: bytes, deadline: float) -> tuple[Hashable, float] | None:
        """Remember a digest for as many whole seconds as its deadline asks for."""
        now = time.time()
        expiry = math.ceil(deadline)
        with self._lock:
            held = self._entries.get(digest)
            if held is not None:
                if held[0] > now:
                    return None
                self._drop(digest)
            self._sweep(now)
            if len(self._entries) >= self.max_entries:
                raise CacheFull(
                    f"The replay cache {self.alias!r} holds {self.max_entries} live entries."
                )
            owner = next(self._owners)
            self._entries[digest] = expiry, owner
            if expiry not in self._by_expiry:
                self._by_expiry[expiry] = set()
                heapq.heappush(self._expiries, expiry)
            self._by_expiry[expiry].add(digest)
        return owner, expiry

    def remove(self, digest: bytes, owner: Hashable | None) -> bool:
        """Forget a digest, if it is live and the owner's."""
        with self._lock:
            held = self._entries.get(digest)
            if held is None or held[0] <= time.time():
                return False
            if owner is not None and held[1] != owner:
                return False
            self._drop(digest)
            return True

    async def aadd(self, digest: bytes, deadline: float) -> tuple[Hashable, float] | None:
        """Do what :meth:`add` does. It never waits, so it needs no thread."""
        return self.add(digest, deadline)

    async def aremove(self, digest: bytes, owner: Hashable | None) -> bool:
        """Do what :meth:`remove` does. It never waits, so it needs no thread."""
        return self.remove(digest, owner)

    def count(self) -> int:
        """Return the number of live entries."""
        now = time.time()
        with self._lock:
            return sum(
                len(digests) for expiry, digests in self._by_expiry.items() if expiry > now
            )

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Refuse a limit that is no positive whole number."""
        if type(self.max_entries) is int and self.max_entries > 0:
            return []
        return [
            checks.Error(
                f"max_entries of the replay cache {self.alias!r} must be a positive int.",
                hint=f"Set OPTIONS['max_entries'] to a number such as {DEFAULT_MAX_ENTRIES:_}.",
                id="jti_replay.E014",
            )
        ]

    def _drop(self, digest: bytes) -> None:
        expiry, _ = self._entries.pop(digest)
        self._by_expiry[expiry].discard(digest)

    def _sweep(self, now: float) -> None:
        for _ in range(SWEEP_BATCH):
            if not self._expiries or self._expiries[0] > now:
                return
            expired = self._by_expiry[self._expiries[0]]
            if expired:
                self._entries.pop(expired.pop())
            else:
                del self._by_expiry[heapq.heappop(self._expiries)]
