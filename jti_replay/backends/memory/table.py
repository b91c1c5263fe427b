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
from jti_replay.reservation.retention import EARLIEST, LATEST

from . import records
from .records import DIGEST_OFFSET, LARGE_CELL, LAST_EXPIRY, RECORD_SIZE, pack

T = TypeVar("T")

RECORDS_PER_CELL = 12
"""
Records that a cell holds on average when the table is full, or up to twice as many: few,
because each add looks through a cell and copies it.
"""

MAX_CELLS = 1 << 20

SPAN = 4096
SECONDS = 2 * SPAN
"""
Seconds whose entries are counted in a list, which is quicker than a dict. At least ``SPAN`` of
them are ahead: more than an hour, for which most tokens are good.
"""

FULL = (
    "The replay cache holds {} live entries, which is all that OPTIONS['max_entries'] allows."
)


class Table:
    """
    Digests, each kept until a second. At most ``capacity`` of them are live. ``ttl`` is what
    most calls of :meth:`add` say, in seconds.

    If the wall clock is set back, an entry may have been forgotten whose token is in force
    again. What would expire no later than such an entry is then refused, until the clock has
    caught up.

    A call that interrupts another one in the same thread, from a signal handler, a finalizer
    or a weakref callback, raises :exc:`~jti_replay.CacheError`.
    """

    def __init__(self, capacity: int, now: float, ttl: float = 0) -> None:
        self.lock = new_lock()
        bits = max(1, capacity // RECORDS_PER_CELL).bit_length() - 1
        number = min(MAX_CELLS, 1 << bits)
        self._mask = number - 1
        self._cells = [b""] * number
        self._capacity = self._room = capacity
        self._ttl = math.ceil(ttl)
        self._serial = records.first_serial()
        # Live entries by the second of their expiry: in a list for the seconds from _origin on,
        # in a dict for others. One that is in the dict stays there when its second is near.
        self._origin = self._second = math.floor(now)
        self._soon = [0] * SECONDS
        self._later: defaultdict[int, int] = defaultdict(int)
        self._forgotten = 0  # The latest second whose entries have been forgotten.
        self._set_clock(now)

    def add(self, digest: int, expiry: int, now: float, ttl: float) -> tuple[bytes, int] | None:
        """Return a new entry, kept for ``ttl`` at least. None if the digest is held."""
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
            counts: Any = self._soon
            second = expiry - self._origin
            forgotten_at = expiry
            if not self._usual < second < SECONDS:
                forgotten_at = self._allowed(expiry, now, ttl)
                expiry = min(forgotten_at, LAST_EXPIRY)  # No process lives so long.
                counts, second = self._later, expiry
            record = pack(expiry, self._serial, digest)
            cell = cells[place]
            changed = record
            if cell:
                if record[DIGEST_OFFSET:] in cell:
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
            # Nothing can come between these.
            cells[place] = changed
            counts[second] += 1
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
        counts: Any = self._soon
        second = expiry - self._origin
        if self._later.get(expiry) or not 0 <= second < SECONDS:
            counts, second = self._later, expiry
        # The next record of this digest and second must not look like this one.
        serial = records.next_serial(self._serial)
        # Nothing can come between these.
        self._cells[digest & self._mask] = cell
        counts[second] -= 1
        self._room += 1
        self._serial = serial
        return True

    def _count(self, now: float) -> int:
        self._set_clock(now)
        return self._capacity - self._room

    def _set_clock(self, now: float) -> None:
        """Forget the entries of the seconds that have passed, and note which one it is."""
        second = math.floor(now)
        if not self._origin <= second <= self._second + SPAN:
            self._count_anew(second)
        # A thread that waited for the lock may have read the clock a moment ago.
        self._second = min(self._second, second)
        later = self._later
        while self._second < second:
            passed = self._second + 1
            at = passed - self._origin
            # Nothing can come between these.
            if passed in later:
                self._room += later[passed]
                self._forgotten = passed
                del later[passed]
            if self._soon[at]:
                self._room += self._soon[at]
                self._forgotten = passed
                self._soon[at] = 0
            if at == SPAN:
                self._soon = self._soon[SPAN:] + [0] * SPAN
                self._origin = passed
            self._second = passed
        floor = max(second, self._forgotten)
        if floor >= LAST_EXPIRY:
            raise CacheError("The in-memory cache can tell no time after January 2106.")
        live = records.first_live(floor)
        usual = max(floor, second + self._ttl) - self._origin
        # Nothing can come between these.
        self._until = second + 1.0
        self._usual, self._live = usual, live

    def _count_anew(self, second: int) -> None:
        """Count by a clock that was set back, or has not been looked at for long."""
        counts = self._later.copy()
        for expiry, number in enumerate(self._soon, self._origin):
            if number:
                counts[expiry] += number
        expired = [expiry for expiry in counts if expiry <= second]
        room = self._room + sum(counts.pop(expiry) for expiry in expired)
        forgotten = max(expired, default=self._forgotten)
        soon = [0] * SECONDS
        # Nothing can come between these.
        self._until = 0.0  # The clock is not set yet.
        self._soon, self._later = soon, counts
        self._origin = self._second = second
        self._room, self._forgotten = room, forgotten

    def _allowed(self, expiry: int, now: float, ttl: float) -> int:
        """
        Return the expiry of an entry that goes at once or late, or whose time may be over.

        Raises :exc:`OverflowError` if no datetime can hold it.
        """
        if not EARLIEST <= expiry <= LATEST:
            raise OverflowError(expiry)
        self._set_clock(now)
        expiry = max(expiry, math.ceil(now + ttl), self._second + 1)  # None lives for less.
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
