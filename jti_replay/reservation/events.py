"""Events of a jti: each goes once to its signal, and the bad ones to the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from jti_replay.signals import cache_failed, jti_released, jti_replayed, jti_reserved

from . import dispatch
from .digests import jti_digest, short_digest

if TYPE_CHECKING:
    from django.dispatch import Signal
    from django.http import HttpRequest

    from jti_replay.exceptions import CacheError

    from .reservation import Cache, Reservation

logger = logging.getLogger("jti_replay")


class JTIEvent(NamedTuple):
    """What is known of the jti that an event is about, and of where it came from."""

    cache: Cache
    jti: str
    namespace: str | None
    """None where a store shows too little of it."""
    request: HttpRequest | None = None
    profile: str | None = None
    reservation: Reservation | None = None
    stored: bytes | None = None
    """The digest, where it is all that is known of the jti."""

    @classmethod
    def of(cls, reservation: Reservation) -> JTIEvent:
        """Return the event of a reservation."""
        return cls(
            reservation._cache,
            reservation.jti,
            reservation.namespace,
            reservation.request,
            reservation.profile,
            reservation,
        )

    @property
    def digest(self) -> str:
        """The short hexadecimal digest that stands for the jti."""
        return short_digest(self.stored or jti_digest(self.namespace or "", self.jti))

    def send_reserved(self) -> None:
        """Tell that the jti was new."""
        self._send(jti_reserved)

    async def asend_reserved(self) -> None:
        """Async version of :meth:`send_reserved`."""
        await self._asend(jti_reserved)

    def send_replayed(self) -> None:
        """Tell that the jti had been seen."""
        self._log_replay()
        self._send(jti_replayed)

    async def asend_replayed(self) -> None:
        """Async version of :meth:`send_replayed`."""
        self._log_replay()
        await self._asend(jti_replayed)

    def send_released(self) -> None:
        """Tell that the jti was given back."""
        self._send(jti_released)

    async def asend_released(self) -> None:
        """Async version of :meth:`send_released`."""
        await self._asend(jti_released)

    def send_failed(self, operation: str, error: CacheError) -> None:
        """Tell that the store failed in an operation, ``"reserve"`` or ``"release"``."""
        self._log_failure(operation, error)
        self._send(cache_failed, error=error)

    async def asend_failed(self, operation: str, error: CacheError) -> None:
        """Async version of :meth:`send_failed`."""
        self._log_failure(operation, error)
        await self._asend(cache_failed, error=error)

    def _send(self, signal: Signal, **more: Any) -> None:
        if signal.receivers:  # Most projects connect to few of them.
            dispatch.send(signal, **self._arguments(), **more)

    async def _asend(self, signal: Signal, **more: Any) -> None:
        if signal.receivers:
            await dispatch.asend(signal, **self._arguments(), **more)

    def _arguments(self) -> dict[str, Any]:
        optional = {
            "request": self.request,
            "profile": self.profile,
            "reservation": self.reservation,
        }
        return {
            "sender": type(self.cache),
            "alias": self.cache.alias,
            "namespace": self.namespace,
            "digest": self.digest,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def _log_replay(self) -> None:
        # A namespace is the issuer's text: %r keeps its line breaks out of the log.
        logger.warning(
            "Refused a replayed jti: profile=%r namespace=%r digest=%s cache=%r.",
            self.profile,
            self.namespace,
            self.digest,
            self.cache.alias,
        )

    def _log_failure(self, operation: str, error: CacheError) -> None:
        logger.error(
            "The replay cache %r failed to %s: profile=%r namespace=%r digest=%s: %s",
            self.cache.alias,
            operation,
            self.profile,
            self.namespace,
            self.digest,
            error,
        )
