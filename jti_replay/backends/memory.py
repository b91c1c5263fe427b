"""A replay cache in the memory of one process."""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Any, ClassVar

from django.core import checks

from jti_replay.doctor.finding import Finding
from jti_replay.doctor.memory import examine_memory
from jti_replay.exceptions import CacheError, CacheFull

from . import cells
from .base import BaseReplayCache
from .cells import EXPIRY_SIZE, RECORD_SIZE
from .keyed_digest import keyed_digest

DEFAULT_MAX_ENTRIES = 1_000_000

RECORDS_PER_CELL = 48
"""
Records that a cell holds on average when the cache is full. So many that few cells are smaller
than 512 bytes: up to there CPython keeps memory by size, and what grows leaves holes behind.
"""

MOST_CELLS = 1 << 20

LARGE_CELL = 2 * RECORDS_PER_CELL * RECORD_SIZE
SWEEP_SIZES = frozenset(LARGE_CELL << n for n in range(16))
"""Sizes, in bytes, at which a whole cell is searched for expired records: it has doubled."""


class InMemoryCache(BaseReplayCache):
    """
    Keeps jtis in this process, and forgets them when it ends.

    Each process has its own: with several workers a token is accepted once by each of them.
    ``OPTIONS["max_entries"]`` live entries are held at the most, a million by default; then
    a new jti raises :exc:`~jti_replay.CacheFull`.

    An entry is a record of 21 bytes in one of many small bytes objects, the cells, that a
    keyed digest picks. There is no object for each entry, so that there is no large table to
    resize and nothing for the garbage collector. Whoever adds a record to a cell clears away
    some that have expired; how many are live is counted by the second of their expiry.

    If the wall clock is set back, an entry may have been forgotten whose token is in force
    again. A jti that would expire no later than such an entry is then refused with
    :exc:`~jti_replay.CacheError`, until the clock has caught up.
    """

    known_options: ClassVar[frozenset[str]] = frozenset({"max_entries"})
    is_shared: ClassVar[bool] = False

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.digest = keyed_digest()
        self.max_entries: int = self.options.get("max_entries", DEFAULT_MAX_ENTRIES)
        self._lock = threading.Lock()
        self._cells = [b""] * (1 if self.check() else _number_of_cells(self.max_entries))
        self._live = 0
        # By second: how many live entries expire in it, and how their records begin.
        self._expiring: dict[int, tuple[list[int], bytes]] = {}
        self._removals = 0
        # The latest second whose entries have been forgotten.
        self._forgotten = 0
        self._second = 0
        self._made_at = time.time()
        self._tick(self._made_at)
        _caches.add(self)

    def add(self, digest: bytes, deadline: float) -> tuple[Hashable, float] | None:
        """Remember a digest for as many whole seconds as its deadline asks for."""
        now = time.time()
        expiry = math.ceil(deadline)
        place = hash(digest) % len(self._cells)
        self._lock.acquire()  # This and try are half the cost of a with statement.
        try:
            if not self._from <= now < self._until:
                self._tick(now)
            cell = self._cells[place]
            if cell.find(digest) >= 0 and (at := cells.find(cell, digest)) >= 0:
                if cell[at : at + EXPIRY_SIZE] >= self._next_second:
                    return None
                cell = cells.without(cell, at)
            if expiry <= self._floor:
                expiry = self._allow(expiry)
            if self._live >= self.max_entries:
                raise CacheFull(
                    f"The replay cache {self.alias!r} holds {self.max_entries} live entries."
                )
            if cell and cell < self._next_second:
                # Its oldest record has expired. Up to two go for each that comes, so that a
                # cell shrinks when there is less to remember.
                cell = cell[RECORD_SIZE:]
                if cell < self._next_second:
                    cell = cell[RECORD_SIZE:]
            elif len(cell) >= LARGE_CELL and len(cell) in SWEEP_SIZES:
                cell = cells.swept(cell, self._next_second)
            try:
                count, prefix = self._expiring[expiry]
            except KeyError:
                count, prefix = self._begin_second(expiry)
            record = prefix + digest
            self._cells[place] = cell + record
            count[0] += 1
            self._live += 1
        finally:
            self._lock.release()
        return record, expiry

    def remove(self, digest: bytes, owner: Hashable | None) -> bool:
        """Forget a digest, if it is live and the owner's."""
        now = time.time()
        place = hash(digest) % len(self._cells)
        with self._lock:
            self._tick(now)
            cell = self._cells[place]
            at = cells.find(cell, digest)
            if at < 0:
                return False
            record = cell[at : at + RECORD_SIZE]
            expiry = cells.expiry_of(record)
            if expiry <= self._floor or (owner is not None and owner != record):
                return False
            self._cells[place] = cells.without(cell, at)
            self._live -= 1
            # The next record of this digest and second must not look like this one.
            self._removals += 1
            count, _ = self._expiring[expiry]
            count[0] -= 1
            self._expiring[expiry] = count, cells.prefix(expiry, self._removals)
            return True

    async def aadd(self, digest: bytes, deadline: float) -> tuple[Hashable, float] | None:
        """Do what :meth:`add` does. It never waits, so it needs no thread."""
        return self.add(digest, deadline)

    async def aremove(self, digest: bytes, owner: Hashable | None) -> bool:
        """Do what :meth:`remove` does. It never waits, so it needs no thread."""
        return self.remove(digest, owner)

    def complete_since(self) -> float:
        """Return when the cache was made, or its process forked from another one."""
        return self._made_at

    async def acomplete_since(self) -> float:
        """Do what :meth:`complete_since` does. It never waits, so it needs no thread."""
        return self._made_at

    def count(self) -> int:
        """Return the number of live entries."""
        with self._lock:
            self._tick(time.time())
            return self._live

    async def acount(self) -> int:
        """Do what :meth:`count` does. It never waits, so it needs no thread."""
        return self.count()

    def diagnose(self) -> Iterator[Finding]:
        """Say what the store would survive."""
        return examine_memory(self)

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

    def _tick(self, now: float) -> None:
        """Count out the entries of the seconds that have passed, and note which one it is."""
        second = math.floor(now)
        if second > self._second:
            passed: Collection[int] = range(self._second + 1, second + 1)
            if len(passed) > len(self._expiring):
                passed = [expiry for expiry in self._expiring if expiry <= second]
            for expiry in passed:
                if expiry in self._expiring:
                    count, _ = self._expiring.pop(expiry)
                    self._live -= count[0]
                    self._forgotten = max(self._forgotten, expiry)
        self._second = second
        self._from, self._until = float(second), second + 1.0
        self._next_second = (second + 1).to_bytes(EXPIRY_SIZE, "big")
        self._floor = max(second, self._forgotten)

    def _begin_second(self, expiry: int) -> tuple[list[int], bytes]:
        self._expiring[expiry] = [0], cells.prefix(expiry, self._removals)
        return self._expiring[expiry]

    def _allow(self, expiry: int) -> int:
        if self._second < self._forgotten and expiry <= self._forgotten:
            raise CacheError(
                "The clock was set back, to before the expiry of entries that have been "
                f"forgotten: the replay cache {self.alias!r} cannot tell whether it has seen a "
                "jti that expires no later."
            )
        return max(expiry, self._second + 1)  # No entry lives for less.


# After a fork, the child goes on with a copy of the entries. No other thread may be changing
# them meanwhile, or hold a lock that nobody would release in the child.
_caches: weakref.WeakSet[InMemoryCache] = weakref.WeakSet()
_held: list[threading.Lock] = []


def _hold_locks() -> None:
    for cache in list(_caches):
        cache._lock.acquire()
        _held.append(cache._lock)


def _let_locks_go() -> None:
    while _held:
        _held.pop().release()


def _begin_anew() -> None:
    # A worker that is forked in place of a dead one knows nothing of what that one had seen.
    now = time.time()
    for cache in list(_caches):
        cache._made_at = now
    _let_locks_go()


os.register_at_fork(
    before=_hold_locks, after_in_parent=_let_locks_go, after_in_child=_begin_anew
)


def _number_of_cells(max_entries: int) -> int:
    return min(MOST_CELLS, 1 + max_entries // RECORDS_PER_CELL)
