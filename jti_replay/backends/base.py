"""The base class of replay caches, with all that callers use."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from jti_replay.backends.store import Store
from jti_replay.exceptions import CacheError
from jti_replay.reservation import Reservation
from jti_replay.reservation.cold_start import first_use
from jti_replay.reservation.events import JTIEvent
from jti_replay.reservation.key import JTIKey
from jti_replay.reservation.retention import retention_deadline
from jti_replay.signals import jti_reserved
from jti_replay.steps import Step, Steps, arun, run

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest

T = TypeVar("T")

logger = logging.getLogger("jti_replay")


class BaseReplayCache(Store):
    """
    A replay cache: it remembers jtis until their tokens can no longer be accepted.

    A backend writes :meth:`add` and :meth:`remove`; if its driver is asynchronous, also
    :meth:`aadd` and :meth:`aremove`, which otherwise run the former in a thread. It must keep
    these promises:

    - There is one object for each alias in a process. All threads and event loops share it.
    - Of any number of callers that add a key at once, one gets an owner and the others get
      None.
    - An entry is kept until its deadline, rounded up by less than a second and never down,
      and never dropped to make room. After it, the key can be added again.
    - It raises when it does not know the outcome. One of its :attr:`failures` reaches the
      caller as a :exc:`~jti_replay.CacheError` with that one as its cause.
    - It waits for a bounded time.

    :class:`jti_replay.testing.ReplayCacheTests` tests all of them.

    ``params`` is the alias's entry in ``JTI_REPLAY["CACHES"]``.
    """

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

        The call may wait for the store. A caller that has judged the times of a token before
        it must judge them once more after it, and release the reservation if the token has
        expired in between: a jti that was forgotten in time can be reserved again.

        Raises :exc:`TypeError` or :exc:`ValueError` for an argument that cannot be right,
        :exc:`~jti_replay.CacheFull` if there is no room, :exc:`~jti_replay.ColdStart` if the
        token may have been used before the cache began to remember, and
        :exc:`~jti_replay.CacheError` if the store fails. The token must then be refused.
        """
        return run(self._reserve(jti, expires_at, namespace, usable_since, request, profile))

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
        """Async version of :meth:`reserve`."""
        return await arun(
            self._reserve(jti, expires_at, namespace, usable_since, request, profile)
        )

    def release(self, jti: str, *, namespace: str = "") -> bool:
        """
        Give a jti back by its name, whichever reservation holds it: a tool for operators.
        Code that reserved it itself calls :meth:`Reservation.release` instead.

        Returns whether an entry was freed. Raises as :meth:`reserve` does.
        """
        return run(self._release_by_name(jti, namespace))

    async def arelease(self, jti: str, *, namespace: str = "") -> bool:
        """Async version of :meth:`release`. It is carried out if the caller is cancelled."""
        return await _shielded(self._release_by_name(jti, namespace))

    def release_reservation(self, reservation: Reservation) -> bool:
        """Give a jti back for the reservation that holds it."""
        return run(self._release_own(reservation))

    async def arelease_reservation(self, reservation: Reservation) -> bool:
        """Async version of :meth:`release_reservation`. A cancelled one is carried out."""
        return await _carried_out(partial(self._release_own, reservation))

    # The steps of both, for sync code and for event loops.

    def _reserve(
        self,
        jti: str,
        expires_at: datetime | int | float | None,
        namespace: str,
        usable_since: datetime | float | None,
        request: HttpRequest | None,
        profile: str | None,
    ) -> Steps[Reservation | None]:
        check_names(jti, namespace)
        now = time.time()
        deadline = retention_deadline(expires_at, now + self.ttl)
        key = self.key(namespace, jti)
        since = first_use(usable_since, now) if self.refuses_cold_start else None
        entries: list[tuple[Hashable, float]] = []

        # They note the entry themselves: an exception of a signal handler may come between a
        # step and its generator.
        def add() -> None:
            if since is None:
                entry = self.add(key, deadline)
            else:
                entry = self.add_if_warm(key, deadline, since)
            if entry is not None:
                entries.append(entry)

        async def aadd() -> None:
            if since is None:
                entry = await self.aadd(key, deadline)
            else:
                entry = await self.aadd_if_warm(key, deadline, since)
            if entry is not None:
                entries.append(entry)

        event = partial(JTIEvent, self, jti, namespace, request, profile)
        try:
            yield from self.ask("reserve", (add, aadd, ()), event)
            if not entries:
                yield event().send_replayed, event().asend_replayed, ()
                return None
            reservation = Reservation.of(self, jti, namespace, entries[0], request, profile)
            if jti_reserved.receivers:  # Most projects have none.
                about = JTIEvent.of(reservation)
                yield about.send_reserved, about.asend_reserved, ()
        except BaseException:
            # The caller was cancelled or interrupted. No one else holds the owner token.
            for owner, _ in entries:
                yield from self._give_back(key, owner)
            raise
        return reservation

    def _release_by_name(self, jti: str, namespace: str) -> Steps[bool]:
        check_names(jti, namespace)
        key = self.key(namespace, jti)
        return (yield from self._release(key, None, partial(JTIEvent, self, jti, namespace)))

    def _release_own(self, reservation: Reservation) -> Steps[bool]:
        namespace = reservation.namespace
        key = self.key(namespace, reservation.jti)
        event = partial(JTIEvent.of, reservation)
        return (yield from self._release(key, reservation._entry[0], event))

    def _release(
        self, key: JTIKey, owner: Hashable | None, event: Callable[[], JTIEvent]
    ) -> Steps[bool]:
        step: Step = (self.remove, self.aremove, (key, owner))
        freed: bool = yield from self.ask("release", step, event)
        if freed:
            about = event()
            yield about.send_released, about.asend_released, ()
        return freed

    def ask(self, operation: str, step: Step, event: Callable[[], JTIEvent]) -> Steps[Any]:
        """Ask the store. Whatever it raises, the caller must not take for "new"."""
        try:
            return (yield step)
        except self.failures as exception:
            error = exception
            if not isinstance(error, CacheError):
                error = CacheError(f"{type(exception).__name__}: {exception}")
                error.__cause__ = exception
            about = event()
            yield about.send_failed, about.asend_failed, (operation, error)
            raise error from error.__cause__

    def _give_back(self, key: JTIKey, owner: Hashable) -> Steps[None]:
        try:
            yield self.remove, self._aremove_shielded, (key, owner)
        except Exception as error:
            logger.error("The replay cache %r could not take a jti back: %s", self.alias, error)

    async def _aremove_shielded(self, key: JTIKey, owner: Hashable) -> bool:
        # A caller that is cancelled for the second time must not stop it.
        return await asyncio.shield(asyncio.ensure_future(self.aremove(key, owner)))


async def _shielded(steps: Steps[T]) -> T:
    # A release that waited for a thread when its caller was cancelled would never be done.
    return await asyncio.shield(asyncio.ensure_future(arun(steps)))


async def _carried_out(make_steps: Callable[[], Steps[T]]) -> T:
    # Only for what may be done twice: a release by name could free the entry of another.
    task = asyncio.ensure_future(arun(make_steps()))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if task.cancelling():
            # The event loop ends. It has cancelled all tasks, and waits for each once more.
            await arun(make_steps())
        raise


def check_names(jti: object, namespace: object) -> None:
    """Raise :exc:`TypeError` or :exc:`ValueError` unless both are str and there is a jti."""
    for name, value in (("jti", jti), ("namespace", namespace)):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a str, not {type(value).__name__}.")
    if not jti:
        raise ValueError("jti must not be empty.")
