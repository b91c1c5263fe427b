"""
The table of live entries, without an object for each: no large dict is ever resized, and
there is nothing for the garbage collector to look through.

Its lock is released, and its numbers add up, wherever an exception can strike: Python runs
signal handlers, finalizers and other threads where a function is called or has returned and
where a loop goes back, and nowhere else. What belongs together is stored without a call in
between. So a child can be forked at any moment, too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

from jti_replay.conf.forks import new_lock
from jti_replay.exceptions import CacheError, CacheFull

from . import records
from .records import DIGEST_OFFSET, LARGE_CELL, LAST_EXPIRY, RECORD_SIZE, pack

T = TypeVar("T")

RECORDS_PER_CELL = 12
"""
Records that a cell holds on average when the table is full, or up to twice as many: few,
because each add looks through a cell and copies it.
"""

MAX_CELLS = 1 << 20

LAST = float(LAST_EXPIRY)
"""A float, as deadlines are: to compare them with an int takes longer."""

FULL = (
    "The replay cache holds {} live entries, which is all that OPTIONS['max_entries'] allows."
)


class Table:
    """
    Digests, each kept until a second. At most ``capacity`` of them are live.

    If the wall clock is set back, an entry may have been forgotten whose token is in force
    again. What would expire no later than such an entry is then refused, until the clock has
    caught up.

    A call that interrupts another one in the same thread, from a signal handler, a finalizer
    or a weakref callback, raises :exc:`~jti_replay.CacheError`.
    """

    def __init__(self, capacity: int, now: float) -> None:
        self.lock = new_lock()
        bits = max(1, capacity // RECORDS_PER_CELL).bit_length() - 1
        number = min(MAX_CELLS, 1 << bits)
        self._mask = number - 1
        self._cells = [b""] * number
        self._capacity = self._room = capacity
        # Live entries by the second of their expiry.
        self._counts: dict[int, int] = defaultdict(int)
        self._serial = records.first_serial()
        self._forgotten = 0  # The latest second whose entries have been forgotten.
        self._second = math.floor(now)
        self._set_clock(now)

    def add(self, digest: int, deadline: float, now: float) -> tuple[bytes, int] | None:
        """Return the record of a new entry and its expiry. None if the digest is held."""
        place = digest & self._mask
        cells, lock = self._cells, self.lock
        added = None
        if lock._is_owned():  # type: ignore[attr-defined]
            raise interrupted_call()
        try:
            # A with statement takes longer, and has a gap where it ends.
            lock.acquire()
            if now >= self._until:
                self._set_clock(now)
            expiry = forgotten_at = math.ceil(deadline)
            if not self._floor < deadline <= LAST:
                forgotten_at = self._allowed(expiry, now)
                expiry = min(forgotten_at, LAST_EXPIRY)  # No process lives so long.
            record = pack(expiry, self._serial, digest)
            cell = cells[place]
            changed = record
            if cell:
                if cell.find(record[DIGEST_OFFSET:]) >= 0:
                    at = records.find(cell, record[DIGEST_OFFSET:])
                    if at >= 0 and cell[at:] >= self._live:
                        lock.release()
                        return None
                    cell = records.without(cell, at) if at >= 0 else cell
                if cell < self._live or len(cell) >= LARGE_CELL:
                    cell = records.cleared(cell, self._live)
                changed = cell + record
            room = self._room
            if not room:
                raise CacheFull(FULL.format(self._capacity))
            counts = self._counts
            # Nothing can come between these.
            cells[place] = changed
            counts[expiry] += 1
            self._room = room - 1
            added = record
            lock.release()
            return record, forgotten_at
        except BaseException:
            try:
                lock.release()  # First of all: another exception may strike after any call.
            except RuntimeError:
                pass  # It was not taken yet, or is released already.
            if added:
                self.remove(digest, added, now)
            raise

    def remove(self, digest: int, record: object, now: float) -> bool:
        """Forget a digest if it is live. Unless it is None, ``record`` must be its record."""
        return self.alone(self._remove, digest, record, now)

    def count(self, now: float) -> int:
        """Return the number of live entries."""
        return self.alone(self._count, now)

    @property
    def room(self) -> int:
        """How many entries could be added. What has expired by now may not be counted yet."""
        return self._room

    def alone(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function while no other call of the table or of its claims runs."""
        lock = self.lock
        if lock._is_owned():  # type: ignore[attr-defined]
            raise interrupted_call()
        try:
            lock.acquire()
            result = function(*arguments)
            lock.release()
            return result
        except BaseException:
            try:
                lock.release()  # First of all: another exception may strike after any call.
            except RuntimeError:
                pass  # It was not taken yet, or is released already.
            raise

    def has_room_for(self, digest: int, now: float, *, beside: int) -> bool:
        """
        Return whether a digest is not live, for :meth:`alone`. Raise
        :exc:`~jti_replay.CacheFull` if it could not be added ``beside`` so many others.
        """
        if now >= self._until:
            self._set_clock(now)
        cell, at = self._look(digest)
        if at >= 0 and cell[at:] >= self._live:
            return False
        if self._room <= beside:
            raise CacheFull(FULL.format(self._capacity))
        return True

    def _look(self, digest: int) -> tuple[bytes, int]:
        cell = self._cells[digest & self._mask]
        return cell, records.find(cell, pack(0, self._serial, digest)[DIGEST_OFFSET:])

    def _remove(self, digest: int, record: object, now: float) -> bool:
        self._set_clock(now)
        cell, at = self._look(digest)
        held = cell[at : at + RECORD_SIZE]
        if at < 0 or held < self._live or record not in (None, held):
            return False
        cell = records.without(cell, at)
        expiry = records.expiry_of(held)
        count = self._counts[expiry] - 1
        # The next record of this digest and second must not look like this one.
        serial = records.next_serial(self._serial)
        # Nothing can come between these.
        self._cells[digest & self._mask] = cell
        self._counts[expiry] = count
        self._room += 1
        self._serial = serial
        return True

    def _count(self, now: float) -> int:
        self._set_clock(now)
        return self._capacity - self._room

    def _set_clock(self, now: float) -> None:
        """Forget the entries of the seconds that have passed, and note which one it is."""
        second = math.floor(now)
        counts = self._counts
        if second - self._second > len(counts):
            expired = sorted(expiry for expiry in counts if expiry <= second)
        else:
            expired = [
                expiry for expiry in range(self._second + 1, second + 1) if expiry in counts
            ]
        for expiry in expired:
            # Nothing can come between these.
            self._room += counts[expiry]
            del counts[expiry]
            self._forgotten = expiry
        floor = max(second, self._forgotten)
        if floor >= LAST_EXPIRY:
            raise CacheError("The in-memory cache can tell no time after January 2106.")
        live = records.first_live(floor)
        # Nothing can come between these.
        self._second, self._until = second, second + 1.0
        self._floor, self._live = float(floor), live

    def _allowed(self, expiry: int, now: float) -> int:
        """Return the expiry of an entry that goes at once, or whose time may be over."""
        self._set_clock(now)
        expiry = max(expiry, self._second + 1)  # No entry lives for less.
        if expiry <= self._forgotten:
            raise CacheError(
                "The clock was set back, to before the expiry of entries that have been "
                "forgotten: the replay cache cannot tell whether it has seen a jti that "
                "expires no later."
            )
        return expiry


def interrupted_call() -> CacheError:
    """Return the error of a call that interrupts another one in the same thread."""
    return CacheError(
        "The replay cache cannot be used here: this code interrupts a call of it in the same "
        "thread, as a signal handler or a finalizer can."
    )
