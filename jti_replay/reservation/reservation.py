"""The proof that a jti was new, and the only right to give it back."""

from __future__ import annotations

import weakref
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, Self

from .digests import jti_digest, short_digest
from .retention import to_datetime

if TYPE_CHECKING:
    from collections.abc import Hashable

    from django.http import HttpRequest


class Cache(Protocol):
    """What a reservation asks of the cache that holds it."""

    alias: str

    def release_reservation(self, reservation: Reservation) -> bool:
        """Give the jti of a reservation back."""

    async def arelease_reservation(self, reservation: Reservation) -> bool:
        """Async version of :meth:`release_reservation`."""


class Reservation:
    """
    A jti that is reserved in a replay cache until :attr:`expires_at`.

    Made by :meth:`~jti_replay.backends.base.BaseReplayCache.reserve`. It cannot be changed,
    and is always true. It knows its owner token, so that it never frees an entry that has
    since been reserved by somebody else.
    """

    __slots__ = (
        "__weakref__",
        "_cache",
        "_entry",
        "_jti",
        "_namespace",
        "_origin",
    )

    _cache: Cache
    _jti: str
    _namespace: str
    _entry: tuple[Hashable, float]
    """
    The owner token, which tells its entry from any other one that the jti ever had, and the
    moment at which the jti is forgotten, in seconds since 1970.
    """
    _origin: tuple[weakref.ref[HttpRequest], str | None] | None
    """
    The request and the profile. The request often holds its reservation: a weak reference
    spares the collector a cycle for each.
    """

    # There is no __init__(): to call one is a tenth of what a reserve in memory costs.
    @classmethod
    def of(
        cls,
        cache: Cache,
        jti: str,
        namespace: str,
        entry: tuple[Hashable, float],
        request: HttpRequest | None = None,
        profile: str | None = None,
    ) -> Self:
        """Make one for an entry that the cache has added."""
        reservation = cls()
        reservation._cache = cache
        reservation._jti = jti
        reservation._namespace = namespace
        reservation._entry = entry
        reservation._origin = None if request is None else (weakref.ref(request), profile)
        return reservation

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Reservation {self.digest} in {self.alias!r} until {self.expires_at:%F %TZ}>"

    @property
    def jti(self) -> str:
        """The JWT ID, as it was given (RFC 7519 4.1.7)."""
        return self._jti

    @property
    def namespace(self) -> str:
        """The namespace within which the jti is unique: the issuer, or ``""``."""
        return self._namespace

    @property
    def alias(self) -> str:
        """The alias of the cache that holds the jti."""
        return self._cache.alias

    @property
    def expires_at(self) -> datetime:
        """The moment at which the jti is forgotten, in UTC."""
        return to_datetime(self._entry[1])

    @property
    def digest(self) -> str:
        """The short hexadecimal digest by which logs and signals name the jti."""
        return short_digest(jti_digest(self._namespace, self._jti))

    @property
    def profile(self) -> str | None:
        """The profile by which the token was verified, if the decorator reserved it."""
        return self._origin[1] if self._origin else None

    @property
    def request(self) -> HttpRequest | None:
        """The request that the token came with, as long as it lives."""
        return self._origin[0]() if self._origin else None

    def release(self) -> bool:
        """
        Give the jti back, so that its token is accepted again.

        Returns True if this freed the reservation's own entry, and False if there was
        nothing to free: it was released before, has expired, or belongs to another
        reservation by now. Raises :exc:`~jti_replay.CacheError` if the store fails; the jti
        then stays reserved, unless the store did free it and its answer was lost.
        """
        return self._cache.release_reservation(self)

    async def arelease(self) -> bool:
        """Do what :meth:`release` does, without blocking the event loop."""
        return await self._cache.arelease_reservation(self)
