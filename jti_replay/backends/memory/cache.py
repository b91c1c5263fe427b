"""A replay cache in the memory of one process."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.core import checks

from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.findings import Finding
from jti_replay.backends.memory.diagnosis import examine_memory
from jti_replay.exceptions import CacheError, CacheFull
from jti_replay.reservation import Reservation
from jti_replay.reservation.events import JTIEvent
from jti_replay.reservation.key import JTIKey
from jti_replay.signals import jti_reserved

from . import forks
from . import records as cells
from .expiry_slots import Second
from .keyed_digest import keyed_digest, pack
from .records import EXPIRY_SIZE, PREFIX_SIZE, RECORD_SIZE, Cell

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest

DEFAULT_MAX_ENTRIES = 1_000_000

RECORDS_PER_CELL = 12
"""
Records that a cell holds on average when the cache is full, or up to twice as many: few,
because each reserve looks through a cell and copies it.
"""

LARGE_CELL = 32 * RECORD_SIZE
"""Bytes in a cell that holds clearly more than others."""

MOST_CELLS = 1 << 20

PLACES = 256
"""Places that are put aside for a second at once."""

SAMPLE = 64
"""Cells that are looked at to tell whether few are in use."""


class InMemoryCache(BaseReplayCache):
    """
    Keeps jtis in this process, and forgets them when it ends.

    Each process has its own: with several workers a token is accepted once by each of them.
    ``OPTIONS["max_entries"]`` live entries are held at the most, a million by default; then
    a new jti raises :exc:`~jti_replay.CacheFull`.

    An entry is a record of 21 bytes in one of many small bytes objects, the cells, that a
    keyed digest picks. There is no object for each entry, so that there is no large table to
    resize and nothing for the garbage collector. Whoever adds a record to a cell clears away
    some that have expired; how many are live is counted by the second of their expiry. As long
    as few cells are in use, an entry with a cell of its own is left unpacked, because packing
    it is a good part of what a reserve costs.

    If the wall clock is set back, an entry may have been forgotten whose token is in force
    again. A jti that would expire no later than such an entry is then refused with
    :exc:`~jti_replay.CacheError`, until the clock has caught up.
    """

    known_options: ClassVar[frozenset[str]] = frozenset({"max_entries"})
    is_shared: ClassVar[bool] = False

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        digest = keyed_digest()
        self._digest = digest
        # None of them where each reserve has to take the long way.
        usual = not self.refuses_cold_start and type(self).add is InMemoryCache.add
        self._prefixes = digest.prefixes if usual else {}
        self.max_entries: int = self.options.get("max_entries", DEFAULT_MAX_ENTRIES)
        self.capacity = self.max_entries
        self._lock = threading.Lock()
        number = 1 if self.check() else _number_of_cells(self.max_entries)
        self._mask = number - 1
        self._cells: list[Cell] = [b""] * number
        self._is_sparse = True
        self._room: int = self.max_entries
        self._dead = 0  # Entries that have expired, and whose records are still there.
        self._seconds: dict[int, Second] = {}
        # Those of them in which the usual case may be.
        self._open: dict[int, Second] = {}
        self._soonest = 0
        self._removals = 0
        # The latest second whose entries have been forgotten.
        self._forgotten = 0
        self._second = 0
        self._made_at = time.time()
        self._tick(self._made_at)
        forks.caches.add(self)

    def key(self, namespace: str, jti: str) -> JTIKey:
        """Return the key of a (namespace, jti) pair, with a digest of this process alone."""
        return JTIKey(self._digest(namespace, jti), namespace)

    def reserve(
        self,
        jti: str,
        expires_at: datetime | int | float | None = None,
        *,
        namespace: str = "",
        usable_since: datetime | int | float | None = None,
        request: HttpRequest | None = None,
        profile: str | None = None,
    ) -> Reservation | None:
        """
        Do what :meth:`BaseReplayCache.reserve` does, with fewer calls.

        Calls from function to function are what is dear here. So the usual case is dealt with
        in one: a new jti, to expire later than now + TTL, in a second that has a place left.
        All else begins anew in the base class, and comes to :meth:`add`.
        """
        if (
            type(jti) is str
            and jti
            and type(expires_at) is int
            and (second := self._open.get(expires_at)) is not None
            and (prefixes := self._prefixes.get(namespace)) is not None
        ):
            first, last = prefixes
            one, two = hash(first + jti), hash(last + jti)
            place = one & self._mask
            owner = None
            all_cells, lock = self._cells, self._lock
            now = time.time()
            lock.acquire()  # This and try are half the cost of a with statement.
            try:
                if now >= self._until:
                    self._tick(now)
                if second.left:
                    cell = all_cells[place]
                    if not cell:
                        owner = second.prefix
                        if self._is_sparse:
                            all_cells[place] = (owner, one, two)
                        else:
                            all_cells[place] = owner + pack(one, two >> 32)
                        second.left -= 1
                    else:
                        if type(cell) is not bytes:
                            cell = cells.packed(cell)
                        digest = pack(one, two >> 32)
                        if cell.find(digest) < 0:
                            if self._dead:
                                cell = self._cleared(cell)
                            owner = second.prefix
                            all_cells[place] = cell + (owner + digest)
                            second.left -= 1
            finally:
                lock.release()
            if owner is not None:
                reservation = Reservation()
                reservation._cache = self
                reservation._jti = jti
                reservation._namespace = namespace
                reservation._owner = owner
                reservation._expiry = second.expiry
                reservation._origin = (
                    None if request is None else (weakref.ref(request), profile)
                )
                if jti_reserved.receivers:
                    JTIEvent.of(reservation).send_reserved()
                return reservation
        return super().reserve(
            jti,
            expires_at,
            namespace=namespace,
            usable_since=usable_since,
            request=request,
            profile=profile,
        )

    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        """Remember a digest for as many whole seconds as its deadline asks for."""
        now = time.time()
        digest = key.digest
        expiry = math.ceil(deadline)
        place = cells.place(digest, self._mask)
        with self._lock:
            if not self._from <= now < self._until:
                self._tick(now)
            cell = cells.packed(self._cells[place])
            at = cells.find(cell, digest)
            if at >= 0 and cell[at : at + EXPIRY_SIZE] >= self._next_second:
                return None
            if expiry <= self._floor:
                expiry = self._allow(expiry)
            if not self._room:
                self._take_back()
            if not self._room:
                raise CacheFull(
                    f"The replay cache {self.alias!r} holds {self.max_entries} live entries."
                )
            second = self._seconds.get(expiry - 1) or self._begin_second(expiry - 1)
            if at >= 0:
                cell = cells.without(cell, at)
                self._dead -= 1
            if self._dead and cell:
                cell = self._cleared(cell)
            owner = second.prefix
            self._cells[place] = cell + (owner + digest)
            second.count += 1
            self._room -= 1
            if self._room and not second.left and expiry > self._soonest:
                self._open_up(second)
        return owner, expiry

    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        """Forget a digest, if it is live and the owner's."""
        now = time.time()
        digest = key.digest
        place = cells.place(digest, self._mask)
        with self._lock:
            self._tick(now)
            cell = cells.packed(self._cells[place])
            at = cells.find(cell, digest)
            if at < 0:
                return False
            prefix = cell[at : at + PREFIX_SIZE]
            expiry = cells.expiry_of(prefix)
            if expiry <= self._floor or (owner is not None and owner != prefix):
                return False
            self._cells[place] = cells.without(cell, at)
            self._room += 1
            # The next record of this digest and second must not look like this one.
            self._removals += 1
            second = self._seconds[expiry - 1]
            second.count -= 1
            second.prefix = cells.prefix(expiry, self._removals)
            return True

    async def aadd(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        """Do what :meth:`add` does. It never waits, so it needs no thread."""
        return self.add(key, deadline)

    async def aremove(self, key: JTIKey, owner: Hashable | None) -> bool:
        """Do what :meth:`remove` does. It never waits, so it needs no thread."""
        return self.remove(key, owner)

    def complete_since(self) -> float:
        """Return when the cache was made, or its process forked from another one."""
        return self._made_at

    async def acomplete_since(self) -> float:
        """Async version of :meth:`complete_since`. It never waits, so it needs no thread."""
        return self._made_at

    def count(self) -> int:
        """Return the number of live entries."""
        with self._lock:
            self._tick(time.time())
            left = sum(second.left for second in self._open.values())
            return self.max_entries - self._room - left

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
        for last in _from_to(self._second, second, self._seconds):
            over = self._seconds.pop(last, None)
            if over is not None:
                self._close(over)
                self._room += over.count
                self._dead += over.count
                self._forgotten = max(self._forgotten, over.expiry)
        self._second = second
        self._from, self._until = float(second), second + 1.0
        self._next_second = (second + 1).to_bytes(EXPIRY_SIZE, "big")
        self._floor = max(second, self._forgotten)
        # An entry that is live for the last time then, or later, outlives the TTL.
        soonest = max(math.ceil(second + self.ttl), self._floor)
        for last in _from_to(self._soonest, soonest, self._open):
            opened = self._open.pop(last, None)
            if opened is not None:
                self._close(opened)
        self._soonest = soonest

    def _open_up(self, second: Second) -> None:
        """Put places aside for a second, so that one number has to be changed for each."""
        places = min(self._room, PLACES)
        self._room -= places
        second.count += places
        second.left = places
        self._open[second.expiry - 1] = second
        # A few cells tell for all, because the digest spreads the entries evenly.
        self._is_sparse = sum(map(bool, self._cells[:SAMPLE])) <= SAMPLE // 16

    def _close(self, second: Second) -> None:
        self._room += second.left
        second.count -= second.left
        second.left = 0

    def _take_back(self) -> None:
        for second in self._open.values():
            self._close(second)
        self._open.clear()

    def _begin_second(self, last: int) -> Second:
        second = self._seconds[last] = Second(last, self._removals)
        return second

    def _cleared(self, cell: bytes) -> bytes:
        left = cells.cleared(cell, self._next_second, doubled=LARGE_CELL)
        self._dead -= (len(cell) - len(left)) // RECORD_SIZE
        return left

    def _allow(self, expiry: int) -> int:
        if self._second < self._forgotten and expiry <= self._forgotten:
            raise CacheError(
                "The clock was set back, to before the expiry of entries that have been "
                f"forgotten: the replay cache {self.alias!r} cannot tell whether it has seen a "
                "jti that expires no later."
            )
        return max(expiry, self._second + 1)  # No entry lives for less.


def _number_of_cells(max_entries: int) -> int:
    bits = max(1, max_entries // RECORDS_PER_CELL).bit_length() - 1
    return min(MOST_CELLS, 1 << bits)


def _from_to(first: int, end: int, seconds: Collection[int]) -> Collection[int]:
    if end - first > len(seconds):
        return [one for one in seconds if one < end]
    return range(first, end)
