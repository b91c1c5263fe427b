"""A replay cache in the memory of one process."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.core import checks

from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.claims import Claimed
from jti_replay.backends.findings import Finding
from jti_replay.backends.handover import Entry
from jti_replay.conf.forks import forked_at
from jti_replay.exceptions import CacheError
from jti_replay.reservation import Reservation
from jti_replay.reservation.cold_start import refuse_cold_start
from jti_replay.reservation.key import JTIKey
from jti_replay.reservation.retention import GRACE, LATEST
from jti_replay.signals import cache_failed, jti_replayed, jti_reserved

from .claims import Claims
from .diagnosis import examine_memory
from .keyed_digest import DIGEST_SIZE, SiphashDigest, keyed_digest
from .table import Table

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest

WHOLE_GRACE = math.ceil(GRACE)
"""GRACE in whole seconds, so that an int exp stays an int."""

DEFAULT_MAX_ENTRIES = 1_000_000


class InMemoryCache(BaseReplayCache):
    """
    Keeps jtis in this process, and forgets them when it ends.

    Each process has its own: with several workers a token is accepted once by each of them.
    At most ``OPTIONS["max_entries"]`` entries are live, a million by default; then a new jti
    raises :exc:`~jti_replay.CacheFull`.
    """

    known_options: ClassVar[frozenset[str]] = frozenset({"max_entries"})
    is_shared: ClassVar[bool] = False
    failures: ClassVar[tuple[type[Exception], ...]] = (CacheError,)

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.max_entries: int = self.options.get("max_entries", DEFAULT_MAX_ENTRIES)
        self.capacity = self.max_entries
        digest = self._digest = keyed_digest()
        self._prefixes = digest.prefixes if isinstance(digest, SiphashDigest) else {}
        self._has_shortcut = (
            isinstance(digest, SiphashDigest)
            and not self.refuses_cold_start
            and type(self).add is InMemoryCache.add
        )
        self._made_at = time.time()
        self._table = Table(1 if self.check() else self.max_entries, self._made_at, self.ttl)
        self._claims = Claims(self._table)
        self._lock = self._table.lock

    def key(self, namespace: str, jti: str) -> JTIKey:
        """Return the key of a (namespace, jti) pair, with a digest of this process alone."""
        digest = self._digest(namespace, jti)
        return JTIKey(digest.to_bytes(DIGEST_SIZE, "big", signed=True), namespace)

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
        Reserve as the base class does, a new jti in fewer calls.

        Calls from function to function are the greater part of the cost. All but a new jti
        of a known namespace begins again in the base class, and comes to :meth:`add`. Wrong
        values go that way, too: the base class refuses them.
        """
        if jti and not jti_reserved.receivers and self._has_shortcut:
            reservation = Reservation()
            reservation._cache = self
            reservation._jti = jti
            reservation._namespace = namespace
            reservation._origin = None if request is None else (weakref.ref(request), profile)
            now = time.time()
            ttl = self.ttl
            try:
                if type(expires_at) is int:
                    expiry = expires_at + WHOLE_GRACE
                else:
                    expiry = ceil_expiry(expires_at, now + ttl)
                digest = hash(self._prefixes[namespace] + jti)
                entry = self._table.add(digest, expiry, now, ttl)
            except (CacheError, LookupError, OverflowError, TypeError, ValueError):
                entry = None
            if entry is not None:
                reservation._entry = entry
                return reservation
        return super().reserve(
            jti,
            expires_at,
            namespace=namespace,
            usable_since=usable_since,
            request=request,
            profile=profile,
        )

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
        """Async version of :meth:`reserve`. Only receivers of signals can make it wait."""
        if jti_reserved.receivers or jti_replayed.receivers or cache_failed.receivers:
            return await super().areserve(
                jti,
                expires_at,
                namespace=namespace,
                usable_since=usable_since,
                request=request,
                profile=profile,
            )
        return self.reserve(
            jti,
            expires_at,
            namespace=namespace,
            usable_since=usable_since,
            request=request,
            profile=profile,
        )

    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        """Remember a key for as many whole seconds as its deadline asks for."""
        expiry = math.ceil(min(deadline, LATEST))
        return self._table.add(number_of(key.digest), expiry, time.time(), 0)

    async def aadd(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        """Async version of :meth:`add`. It never waits, so it needs no thread."""
        return self.add(key, deadline)

    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        """Forget a key, if it is live and the owner's."""
        return self._table.remove(number_of(key.digest), owner, time.time())

    async def aremove(self, key: JTIKey, owner: Hashable | None) -> bool:
        """Async version of :meth:`remove`. It never waits, so it needs no thread."""
        return self.remove(key, owner)

    def claim(
        self, namespace: str, jti: str, deadline: float, usable_since: float | None
    ) -> Entry | Claimed:
        """Claim an event, in one step."""
        if usable_since is not None:
            refuse_cold_start(self.complete_since(), usable_since)
        return self._claims.claim(self._digest(namespace, jti), deadline, time.time())

    async def aclaim(
        self, namespace: str, jti: str, deadline: float, usable_since: float | None
    ) -> Entry | Claimed:
        """Async version of :meth:`claim`. It never waits, so it needs no thread."""
        return self.claim(namespace, jti, deadline, usable_since)

    def drop_claim(self, namespace: str, jti: str, owner: Hashable) -> bool:
        """Give a claim back if ``owner`` holds it. Return whether there was one."""
        return self._claims.drop(self._digest(namespace, jti), owner)

    async def adrop_claim(self, namespace: str, jti: str, owner: Hashable) -> bool:
        """Async version of :meth:`drop_claim`. It never waits, so it needs no thread."""
        return self.drop_claim(namespace, jti, owner)

    def complete_since(self) -> float:
        """Return when the cache was made, or its process forked from another one."""
        return max(self._made_at, forked_at())

    async def acomplete_since(self) -> float:
        """Async version of :meth:`complete_since`. It never waits, so it needs no thread."""
        return max(self._made_at, forked_at())

    def count(self) -> int:
        """Return the number of live entries."""
        return self._table.count(time.time())

    async def acount(self) -> int:
        """Async version of :meth:`count`. It never waits, so it needs no thread."""
        return self.count()

    def diagnose(self) -> Iterator[Finding]:
        """Return what is to be said of the cache of this process."""
        return examine_memory(self.count(), self.max_entries)

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


def ceil_expiry(expires_at: object, floor: float) -> int:
    """Return the second in which a jti may be forgotten whose token has no whole exp."""
    if expires_at is None:
        return math.ceil(floor)
    if type(expires_at) is not float:
        raise TypeError
    return math.ceil(expires_at + GRACE)


def number_of(digest: bytes) -> int:
    """Return a digest as the signed integer that the table knows it by."""
    return int.from_bytes(digest, "big", signed=True)
