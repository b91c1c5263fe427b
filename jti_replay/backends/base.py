"""What every replay cache does, and what a backend owes."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from asgiref.sync import sync_to_async

from jti_replay.exceptions import CacheError
from jti_replay.reservation import Reservation
from jti_replay.reservation.cold_start import ACCEPT, REFUSE, moment_of_first_use, vouch
from jti_replay.reservation.digests import jti_digest
from jti_replay.reservation.events import Subject
from jti_replay.reservation.retention import GRACE, LATEST, earliest_forgetting
from jti_replay.signals import jti_reserved

if TYPE_CHECKING:
    from datetime import datetime

    from django.core.checks import CheckMessage
    from django.http import HttpRequest

    from jti_replay.backends.findings import Finding

DEFAULT_TTL = 300
"""Seconds for which a jti is remembered at the least."""


class BaseReplayCache:
    """
    A replay cache: it remembers jtis until their tokens can no longer be accepted.

    A backend writes :meth:`add` and :meth:`remove`; if its driver is asynchronous, also
    their twins :meth:`aadd` and :meth:`aremove`, which otherwise run the former in a
    thread. What it owes:

    - There is one object for each alias in a process. All threads and event loops share it.
    - Of any number of callers that add a digest at once, one gets an owner and the others
      get None.
    - An entry is kept until its deadline, rounded up by less than a second and never down,
      and never dropped to make room. After it, the digest can be added again.
    - It raises when it does not know the outcome. Whatever :exc:`Exception` it raises
      reaches the caller as a :exc:`~jti_replay.CacheError` with that one as its cause.
    - It waits for a bounded time.

    :class:`jti_replay.testing.ReplayCacheTests` proves all of it.

    ``params`` is the alias's entry in ``JTI_REPLAY["CACHES"]``.
    """

    known_options: ClassVar[frozenset[str]] = frozenset()
    """The names that OPTIONS may hold."""

    is_shared: ClassVar[bool] = True
    """Whether all processes of a site see the same entries."""

    database: str | None = None
    """The alias in ``settings.DATABASES`` of the database that holds the entries, if any."""

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        self.alias = alias
        self.location: str = params.get("LOCATION", "")
        self.ttl: float = params.get("TTL", DEFAULT_TTL)
        self.options: Mapping[str, Any] = params.get("OPTIONS", {})
        self.refuses_cold_start = params.get("COLD_START", ACCEPT) == REFUSE
        # What add() and remove() are to know a (namespace, jti) pair by.
        self.digest: Callable[[str, str], bytes] = jti_digest

    # What a backend provides.

    def add(self, digest: bytes, deadline: float) -> tuple[Hashable, float] | None:
        """
        Remember a digest until ``deadline`` (seconds since 1970), if it is new.

        Return a token that tells this entry from any other one that the digest ever had,
        and the moment at which the entry goes, the deadline rounded up. None if the digest
        is held already.
        """
        raise NotImplementedError("A replay cache must provide add().")

    def remove(self, digest: bytes, owner: Hashable | None) -> bool:
        """
        Forget a digest if ``owner`` holds it, or whoever holds it if that is None.

        Return whether an entry was freed. An absent or expired one is no error.
        """
        raise NotImplementedError("A replay cache must provide remove().")

    async def aadd(self, digest: bytes, deadline: float) -> tuple[Hashable, float] | None:
        """Do what :meth:`add` does, without blocking the event loop."""
        return await sync_to_async(self.add)(digest, deadline)

    async def aremove(self, digest: bytes, owner: Hashable | None) -> bool:
        """Do what :meth:`remove` does, without blocking the event loop."""
        return await sync_to_async(self.remove)(digest, owner)

    def complete_since(self) -> float | None:
        """
        Return the moment from which the store remembers all that was added to it, in seconds
        since 1970 by the store's own clock. None if no such moment is known. It only reads.

        A backend that does not provide it cannot have ``COLD_START = "refuse"``.
        """
        return None

    async def acomplete_since(self) -> float | None:
        """Do what :meth:`complete_since` does, without blocking the event loop."""
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

    def add_vouched(
        self, digest: bytes, deadline: float, usable_since: float
    ) -> tuple[Hashable, float] | None:
        """
        Do what :meth:`add` does for a token that can have been used since a moment. Raise
        :exc:`~jti_replay.ColdStart` if the store's memory does not go back to it.

        A store that may lose its memory in between does both at once.
        """
        vouch(self.start_memory(), usable_since)
        return self.add(digest, deadline)

    async def aadd_vouched(
        self, digest: bytes, deadline: float, usable_since: float
    ) -> tuple[Hashable, float] | None:
        """Do what :meth:`add_vouched` does, without blocking the event loop."""
        vouch(await self.astart_memory(), usable_since)
        return await self.aadd(digest, deadline)

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
        """Do what :meth:`count` does, without blocking the event loop."""
        return await sync_to_async(self.count)()

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
        """Do what :meth:`close` does, without blocking the event loop."""
        await sync_to_async(self.close)()

    # What callers use.

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
        Reserve a jti: return a :class:`~jti_replay.Reservation` if it is new, None if it
        has been seen.

        It is remembered until the later of now + TTL and ``expires_at`` + 1 second, rounded
        up by less than a second. ``expires_at`` is an aware datetime, a NumericDate (seconds
        since 1970, RFC 7519 2) or None. ``namespace`` keeps the jtis of issuers apart.
        ``request`` and ``profile`` only go along to the signals.

        ``usable_since``, of the same types, is the earliest moment at which the token can have
        been used. Only ``COLD_START = "refuse"`` asks for it; None means an hour ago.

        Raises :exc:`TypeError` or :exc:`ValueError` for an argument that cannot be right,
        :exc:`~jti_replay.CacheFull` if there is no room, :exc:`~jti_replay.ColdStart` if the
        token may have been used before the cache began to remember, and
        :exc:`~jti_replay.CacheError` if the store fails. The token must then be refused.
        """
        if type(jti) is not str or type(namespace) is not str or not jti:
            check_names(jti, namespace)
        digest = self.digest(namespace, jti)
        now = time.time()
        deadline = now + self.ttl
        if isinstance(expires_at, int) and deadline < expires_at < LATEST:
            deadline = expires_at + GRACE  # By far the most common case, at half the cost.
        else:
            deadline = earliest_forgetting(expires_at, deadline)
        since = moment_of_first_use(usable_since, now) if self.refuses_cold_start else None
        try:
            if since is None:
                entry = self.add(digest, deadline)
            else:
                entry = self.add_vouched(digest, deadline, since)
        except Exception as exception:
            error = self._store_error(exception)
            Subject(self, jti, namespace, request, profile).failed("reserve", error)
            raise error from error.__cause__
        if entry is None:
            Subject(self, jti, namespace, request, profile).replayed()
            return None
        reservation = Reservation.of(self, jti, namespace, entry, request, profile)
        if jti_reserved.receivers:  # Most projects have none, and this is the common path.
            Subject.of(reservation).reserved()
        return reservation

    async def areserve(
        self,
        jti: str,
        expires_at: datetime | int | float | None = None,
        *,
        namespace: str = "",
        usable_since: datetime | int | float | None = None,
        request: HttpRequest | None = None,
        profile: str | None = None,
    ) -> Reservation | None:
        """Do what :meth:`reserve` does, without blocking the event loop."""
        if type(jti) is not str or type(namespace) is not str or not jti:
            check_names(jti, namespace)
        digest = self.digest(namespace, jti)
        now = time.time()
        deadline = earliest_forgetting(expires_at, now + self.ttl)
        since = moment_of_first_use(usable_since, now) if self.refuses_cold_start else None
        try:
            if since is None:
                entry = await self.aadd(digest, deadline)
            else:
                entry = await self.aadd_vouched(digest, deadline, since)
        except Exception as exception:
            error = self._store_error(exception)
            await Subject(self, jti, namespace, request, profile).afailed("reserve", error)
            raise error from error.__cause__
        if entry is None:
            await Subject(self, jti, namespace, request, profile).areplayed()
            return None
        reservation = Reservation.of(self, jti, namespace, entry, request, profile)
        if jti_reserved.receivers:
            await Subject.of(reservation).areserved()
        return reservation

    def release(self, jti: str, *, namespace: str = "") -> bool:
        """
        Give a jti back by its name, whoever holds it: a tool for operators. Code that
        reserved it itself calls :meth:`Reservation.release` instead.

        Returns whether an entry was freed. Raises as :meth:`reserve` does.
        """
        check_names(jti, namespace)
        return self._release(
            Subject(self, jti, namespace), self.digest(namespace, jti), owner=None
        )

    async def arelease(self, jti: str, *, namespace: str = "") -> bool:
        """Do what :meth:`release` does, without blocking the event loop."""
        check_names(jti, namespace)
        return await self._arelease(
            Subject(self, jti, namespace), self.digest(namespace, jti), owner=None
        )

    def release_reservation(self, reservation: Reservation) -> bool:
        """Give a jti back for the reservation that holds it."""
        return self._release(
            Subject.of(reservation),
            self.digest(reservation.namespace, reservation.jti),
            reservation._owner,
        )

    async def arelease_reservation(self, reservation: Reservation) -> bool:
        """Do what :meth:`release_reservation` does, without blocking the event loop."""
        return await self._arelease(
            Subject.of(reservation),
            self.digest(reservation.namespace, reservation.jti),
            reservation._owner,
        )

    def _release(self, subject: Subject, digest: bytes, owner: Hashable | None) -> bool:
        try:
            freed = self.remove(digest, owner)
        except Exception as exception:
            error = self._store_error(exception)
            subject.failed("release", error)
            raise error from error.__cause__
        if freed:
            subject.released()
        return freed

    async def _arelease(self, subject: Subject, digest: bytes, owner: Hashable | None) -> bool:
        try:
            freed = await self.aremove(digest, owner)
        except Exception as exception:
            error = self._store_error(exception)
            await subject.afailed("release", error)
            raise error from error.__cause__
        if freed:
            await subject.areleased()
        return freed

    def _store_error(self, exception: Exception) -> CacheError:
        # Whatever a store raises, nobody may take for "new".
        if isinstance(exception, CacheError):
            return exception
        error = CacheError(f"{type(exception).__name__}: {exception}")
        error.__cause__ = exception
        return error


def check_names(jti: object, namespace: object) -> None:
    """Raise :exc:`TypeError` or :exc:`ValueError` unless both are str and there is a jti."""
    for name, value in (("jti", jti), ("namespace", namespace)):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a str, not {type(value).__name__}.")
    if not jti:
        raise ValueError("jti must not be empty.")
