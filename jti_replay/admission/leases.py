"""
Leases: how an event is claimed while its view runs, where the jti is not part of the view's
transaction.

A sender repeats an event until it is told that it was taken. So a duplicate must not be told
so before the first one has succeeded. The claim lasts for as long as the view may take. The
jti itself is reserved once the view's work is committed. A process that is killed in between
runs the event again after the lease: at least once is what an event needs.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, cast

from jti_replay.backends.claims import Claimed
from jti_replay.exceptions import CacheError, TokenReplayed
from jti_replay.reservation import Reservation
from jti_replay.reservation.events import JTIEvent
from jti_replay.steps import Step, Steps, arun, run

from .admit import Candidate, first_use, judge_again, release_quietly, reserving

if TYPE_CHECKING:
    from django.http import HttpRequest

    from jti_replay.backends.base import BaseReplayCache

logger = logging.getLogger("jti_replay")


class Claim(Reservation):
    """What an event holds while its view runs. It notes what became of the event."""

    __slots__ = ("given_back", "taken")

    given_back: bool
    taken: bool
    """Whether the view has answered that it took the event."""

    def release(self) -> bool:
        """Give the claim back: the event was not taken, and may be sent again."""
        return run(self.drop())

    async def arelease(self) -> bool:
        """Async version of :meth:`release`."""
        return await arun(self.drop())

    def drop(self) -> Steps[bool]:
        """Do what :meth:`release` does, as steps."""
        # Without signals: it is not the jti itself.
        self.given_back = True
        cache = cast("BaseReplayCache", self._cache)
        claim = (self.namespace, self.jti, self._entry[0])
        step: Step = (cache.drop_claim, cache.adrop_claim, claim)
        freed: bool = yield from cache.ask("release", step, partial(JTIEvent.of, self))
        return freed


def claim(candidate: Candidate, request: HttpRequest, seconds: float) -> Steps[Claim]:
    """
    Claim an event for some seconds.

    Raises :exc:`~jti_replay.TokenReplayed` if it has been taken, a
    :exc:`~jti_replay.TokenInvalid` if it has expired, and :exc:`~jti_replay.CacheError` if it
    is being processed, or the store fails.
    """
    cache, namespace, jti = candidate.cache, candidate.namespace, candidate.token.jti
    profile = candidate.profile.name
    since = first_use(candidate) if cache.refuses_cold_start else None
    step: Step = (cache.claim, cache.aclaim, (namespace, jti, time.time() + seconds, since))
    event = partial(JTIEvent, cache, jti, namespace, request, profile)
    entry = yield from cache.ask("reserve", step, event)
    if entry is Claimed.RUNNING:
        logger.info("An event is being processed: profile=%r.", profile)
        raise CacheError("The event is being processed by another request.")
    if entry is Claimed.SETTLED:
        yield event().send_replayed, event().asend_replayed, ()
        raise TokenReplayed("The event has been taken before.")
    claimed = Claim.of(cache, jti, namespace, entry, request, profile)
    claimed.given_back = claimed.taken = False
    try:
        judge_again(candidate)
    except BaseException:  # Also that of a signal handler.
        yield from release_quietly(claimed)
        raise
    return claimed


def settle(candidate: Candidate, claimed: Claim, request: HttpRequest) -> Steps[None]:
    """Reserve the jti of an event that has been taken, and give its claim back, once."""
    if claimed.given_back or not claimed.taken:
        return  # Its transaction has rolled back, or the view has released or refused it.
    try:
        # It has been taken, however new the memory of the store is: it counts as used now.
        yield reserving(candidate, request, time.time(), [])
        yield from claimed.drop()
    except CacheError:
        pass  # It has been logged. The sender may repeat the event after the lease.
