"""The claims of one process, beside its table: see :mod:`jti_replay.backends.claims`."""

from __future__ import annotations

from jti_replay.backends.claims import Claimed
from jti_replay.backends.handover import Entry

from .table import Table

FEW = 64
"""Claims among which those that have lapsed are not looked for."""


class Claims:
    """Digests that are claimed, each until a moment. The table's lock is theirs, too."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._running: dict[int, Entry] = {}
        self._many = FEW

    def claim(self, digest: int, deadline: float, now: float) -> Entry | Claimed:
        """Claim a digest, unless the table holds it or another claim does."""
        entry = (object(), deadline)
        try:
            return self._table.alone(self._claim, digest, entry, now)
        except BaseException:  # Also that of a signal handler, after all was done.
            self._table.alone(self._drop, digest, entry[0])
            raise

    def drop(self, digest: int, owner: object) -> bool:
        """Give a claim back if the owner holds it. Return whether there was one."""
        return self._table.alone(self._drop, digest, owner)

    def _claim(self, digest: int, entry: Entry, now: float) -> Entry | Claimed:
        running = self._running
        if digest in running and running[digest][1] > now:
            return Claimed.RUNNING
        if running and len(running) >= min(self._many, self._table.room):
            running = self._forget_lapsed(now)
        if not self._table.has_room_for(digest, now, beside=len(running)):
            return Claimed.SETTLED
        running[digest] = entry
        return entry

    def _forget_lapsed(self, now: float) -> dict[int, Entry]:
        """Forget the claims of requests that never ended, and return the others."""
        self._running = {
            digest: entry for digest, entry in self._running.items() if entry[1] > now
        }
        self._many = max(FEW, 2 * len(self._running))
        return self._running

    def _drop(self, digest: int, owner: object) -> bool:
        if digest not in self._running or self._running[digest][0] is not owner:
            return False
        del self._running[digest]
        return True
