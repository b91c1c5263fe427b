"""The part of a replay cache that a backend provides."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from asgiref.sync import sync_to_async

from jti_replay.backends import claims
from jti_replay.backends.claims import Claimed
from jti_replay.backends.handover import Entry, add_in_thread
from jti_replay.reservation.cold_start import ACCEPT, REFUSE, refuse_cold_start
from jti_replay.reservation.digests import jti_digest
from jti_replay.reservation.key import JTIKey
from jti_replay.steps import arun, run

if TYPE_CHECKING:
    from django.core.checks import CheckMessage

    from jti_replay.backends.findings import Finding

DEFAULT_TTL = 300
"""The shortest time for which a jti is remembered, in seconds."""

PURGE_BATCH = 256
"""The most entries that one purge deletes, unless it is told otherwise."""


class Store:
    """
    What a replay cache asks of its store. Each backend overrides some of it.

    The promises that it must keep are those of
    :class:`~jti_replay.backends.base.BaseReplayCache`.
    """

    known_options: ClassVar[frozenset[str]] = frozenset()
    """The names that OPTIONS may hold."""

    is_shared: ClassVar[bool] = True
    """Whether all processes of a site see the same entries."""

    failures: ClassVar[tuple[type[Exception], ...]] = (Exception,)
    """
    The errors of :meth:`add` and :meth:`remove` that mean that the store failed. Others, such
    as that of a signal handler which sets a time limit, reach the caller as they are.
    """

    capacity: int | None = None
    """The most live entries that it holds, if there is a fixed limit."""

    database: str | None = None
    """The alias in ``settings.DATABASES`` of the database that holds the entries, if any."""

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        self.alias = alias
        self.location: str = params.get("LOCATION", "")
        ttl = params.get("TTL", DEFAULT_TTL)
        # To add an int to the time takes longer.
        self.ttl: float = float(ttl) if type(ttl) is int else ttl
        self.options: Mapping[str, Any] = params.get("OPTIONS", {})
        self.refuses_cold_start = params.get("COLD_START", ACCEPT) == REFUSE

    def key(self, namespace: str, jti: str) -> JTIKey:
        """Return the key of a (namespace, jti) pair, as the store knows it."""
        return JTIKey(jti_digest(namespace, jti), namespace)

    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        """
        Remember a key until ``deadline`` (seconds since 1970), if it is new.

        Return a token that tells this entry from any other one that the key ever had, and
        the moment at which the entry goes, the deadline rounded up. None if the key is held
        already.
        """
        raise NotImplementedError("A replay cache must provide add().")

    async def aadd(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        """Async version of :meth:`add`."""
        return await add_in_thread(partial(self.add, key, deadline), partial(self.remove, key))

    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        """
        Forget a key if ``owner`` holds it, or any owner if that is None.

        Return whether an entry was freed. An absent or expired one is no error.
        """
        raise NotImplementedError("A replay cache must provide remove().")

    async def aremove(self, key: JTIKey, owner: Hashable | None) -> bool:
        """Async version of :meth:`remove`."""
        return await sync_to_async(self.remove)(key, owner)

    def complete_since(self) -> float | None:
        """
        Return the moment from which the store remembers all that was added to it, in seconds
        since 1970 by the store's own clock. None if no such moment is known. It only reads.

        A backend that does not provide it cannot have ``COLD_START = "refuse"``.
        """
        return None

    async def acomplete_since(self) -> float | None:
        """Async version of :meth:`complete_since`."""
        return await sync_to_async(self.complete_since)()

    def start_memory(self) -> float | None:
        """
        Return what :meth:`complete_since` returns. A store that keeps a note of the moment
        writes it now if it is missing.
        """
        return self.complete_since()

    async def astart_memory(self) -> float | None:
        """Async version of :meth:`start_memory`."""
        return await sync_to_async(self.start_memory)()

    def add_if_warm(
        self, key: JTIKey, deadline: float, usable_since: float
    ) -> tuple[Hashable, float] | None:
        """
        Add the key of a token that can have been used since a moment. Raise
        :exc:`~jti_replay.ColdStart` if the store's memory does not go back to it.

        A store that may lose its memory in between does both at once.
        """
        refuse_cold_start(self.start_memory(), usable_since)
        return self.add(key, deadline)

    async def aadd_if_warm(
        self, key: JTIKey, deadline: float, usable_since: float
    ) -> tuple[Hashable, float] | None:
        """Async version of :meth:`add_if_warm`."""
        refuse_cold_start(await self.astart_memory(), usable_since)
        return await self.aadd(key, deadline)

    def claim(
        self, namespace: str, jti: str, deadline: float, usable_since: float | None
    ) -> Entry | Claimed:
        """
        Claim an event until ``deadline``, while its view runs. Return what :meth:`add` does
        for a new key, or why the event cannot be claimed.

        With ``usable_since``, raise what :meth:`add_if_warm` does.
        """
        return run(claims.claim(self, namespace, jti, deadline, usable_since))

    async def aclaim(
        self, namespace: str, jti: str, deadline: float, usable_since: float | None
    ) -> Entry | Claimed:
        """Async version of :meth:`claim`."""
        return await arun(claims.claim(self, namespace, jti, deadline, usable_since))

    def drop_claim(self, namespace: str, jti: str, owner: Hashable) -> bool:
        """Give a claim back if ``owner`` holds it. Return whether there was one."""
        return self.remove(self.key(namespace + claims.SUFFIX, jti), owner)

    async def adrop_claim(self, namespace: str, jti: str, owner: Hashable) -> bool:
        """Async version of :meth:`drop_claim`."""
        return await self.aremove(self.key(namespace + claims.SUFFIX, jti), owner)

    def joins(self, using: str) -> bool:
        """
        Return whether a reserve is part of the transaction that is open on a database, so
        that it goes with it. Most stores know nothing of transactions.
        """
        return False

    def count(self) -> int | None:
        """Return the number of live entries, or None where counting is not cheap."""
        return None

    async def acount(self) -> int | None:
        """Async version of :meth:`count`."""
        return await sync_to_async(self.count)()

    def backlog(self) -> int | None:
        """
        Return the number of expired entries that are to be purged. None if the store forgets
        them by itself.
        """
        return None

    def purge(self, batch: int = PURGE_BATCH) -> int:
        """Delete up to ``batch`` expired entries. Return how many there were."""
        return 0

    def restart_memory(self) -> None:
        """
        Note that the memory begins now, because entries may be missing, as after a restored
        backup. Raises :exc:`NotImplementedError` where the store keeps no such note.
        """
        raise NotImplementedError(
            f"The replay cache {self.alias!r} keeps no note of when its memory begins."
        )

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Return what is wrong with the settings, for Django's system checks."""
        return []

    def diagnose(self) -> Iterator[Finding]:
        """
        Return what this backend alone can say of its store, for ``manage.py jti_replay
        doctor``. What holds for every cache, the doctor finds out by itself.

        It only reads. It may ask the store several times, and raise what that raises: the
        store is then reported as out of reach. It raises
        :exc:`~jti_replay.backends.findings.Unusable` to end the examination.
        """
        yield from ()

    def close(self) -> None:
        """Let connections go. Nothing is forgotten, and the next call connects again."""

    async def aclose(self) -> None:
        """Async version of :meth:`close`."""
        await sync_to_async(self.close)()
