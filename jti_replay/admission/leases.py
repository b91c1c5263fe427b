"""
Claims: what stands for the jti of an event while its view runs, where the jti is not part of
the view's transaction.

A sender repeats an event until it is told that it was taken. So a duplicate must not be told
so before the first one has succeeded. The claim is an entry of its own, which lasts for as long
as the view may take. The jti itself is reserved once the view's work is committed. A process
that is killed in between runs the event again after the lease: at least once is what an event
needs. Only the holder of the claim touches the jti, so that there is no race.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, cast

from jti_replay.exceptions import CacheError, TokenReplayed
from jti_replay.reservation import Reservation
from jti_replay.reservation.events import JTIEvent
from jti_replay.steps import Step, Steps, arun, run

from .admit import Candidate, first_use, judge_again, release_quietly, reserve_unjudged

if TYPE_CHECKING:
    from collections.abc import Hashable

    from django.http import HttpRequest

    from jti_replay.backends.base import BaseReplayCache

logger = logging.getLogger("jti_replay")

SUFFIX = ":running"
"""What the namespace of a claim ends with."""

PROBE_LIFETIME = 1.0
"""Seconds for which the jti is held to see whether it is free, if the process is killed."""


class Claim(Reservation):
    """What an event holds while its view runs. It notes what became of the event."""

    __slots__ = ("given_back", "taken")

    given_back: bool
    taken: bool
    """Whether the view has answered that it took the event."""

    def release(self) -> bool:
        """Give the claim back: the event was not taken, and may be sent again."""
        self.given_back = True
        return run(self._drop())

    async def arelease(self) -> bool:
        """Async version of :meth:`release`."""
        self.given_back = True
        return await arun(self._drop())

    def _drop(self) -> Steps[bool]:
        # Without signals: it is not the jti itself.
        cache = cast("BaseReplayCache", self._cache)
        key = cache.key(self.namespace, self.jti)
        step: Step = (cache.remove, cache.aremove, (key, self._entry[0]))
        freed: bool = yield from cache.ask("release", step, partial(JTIEvent.of, self))
        return freed


def claim(candidate: Candidate, request: HttpRequest, seconds: float) -> Steps[Claim]:
    """
    Claim an event for some seconds.

    Raises :exc:`~jti_replay.TokenReplayed` if it has been taken, a
    :exc:`~jti_replay.TokenInvalid` if it has expired, and :exc:`~jti_replay.CacheError` if it
    is being processed, or the store fails.
    """
    namespace, jti = candidate.namespace, candidate.token.jti
    entry = yield from _hold(candidate, namespace + SUFFIX, seconds)
    if entry is None:
        logger.info("An event is being processed: profile=%r.", candidate.profile.name)
        raise CacheError("The event is being processed by another request.")
    cache, profile = candidate.cache, candidate.profile.name
    claimed = Claim.of(cache, jti, namespace + SUFFIX, entry, request, profile)
    claimed.given_back = claimed.taken = False
    try:
        probe = yield from _hold(candidate, namespace, PROBE_LIFETIME)
        if probe is None:
            event = JTIEvent(cache, jti, namespace, request, profile)
            yield event.send_replayed, event.asend_replayed, ()
            raise TokenReplayed("The event has been taken before.")
        key = cache.key(namespace, jti)
        yield cache.remove, cache.aremove, (key, probe[0])
        judge_again(candidate, _last(candidate))
    except BaseException:  # Also that of a signal handler.
        yield from release_quietly(claimed)
        raise
    return claimed


def settle(candidate: Candidate, claimed: Claim, request: HttpRequest) -> Steps[None]:
    """Reserve the jti of an event that has been taken, and give its claim back, once."""
    if claimed.given_back or not claimed.taken:
        return  # Its transaction has rolled back, or the view has released or refused it.
    try:
        # It has been taken, however new the memory of the store is.
        yield from reserve_unjudged(candidate, request, time.time(), _last(candidate))
    except CacheError:
        return  # It has been logged. The sender may repeat the event after the lease.
    yield from release_quietly(claimed)


def _last(candidate: Candidate) -> float | None:
    return candidate.profile.kind.expires_at(candidate.token.claims)


def _hold(
    candidate: Candidate, namespace: str, seconds: float
) -> Steps[tuple[Hashable, float] | None]:
    """Hold a jti for a time that may be shorter than TTL, without signals."""
    cache, jti = candidate.cache, candidate.token.jti
    key, deadline = cache.key(namespace, jti), time.time() + seconds
    step: Step = (cache.add, cache.aadd, (key, deadline))
    if cache.refuses_cold_start:
        since = first_use(candidate)
        step = (cache.add_if_warm, cache.aadd_if_warm, (key, deadline, since))
    event = partial(JTIEvent, cache, jti, namespace, profile=candidate.profile.name)
    entry: tuple[Hashable, float] | None = yield from cache.ask("reserve", step, event)
    return entry
