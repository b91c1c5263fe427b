"""Find the token of a request, verify it, and reserve its jti."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jti_replay.caches import replay_caches
from jti_replay.exceptions import CacheError, RequestInvalid, TokenInvalid, TokenReplayed
from jti_replay.profiles import Profile
from jti_replay.reservation import Reservation
from jti_replay.reservation.cold_start import earliest_use
from jti_replay.steps import Step, Steps
from jti_replay.tokens.claims import check_times
from jti_replay.tokens.verification import VerifiedToken, averify, verify

from .access_token import judge_access_token, judge_access_token_again

if TYPE_CHECKING:
    from django.http import HttpRequest

    from jti_replay.backends.base import BaseReplayCache


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that is good, and whose jti is not reserved yet."""

    profile: Profile
    token: VerifiedToken
    cache: BaseReplayCache
    access_token_claims: Mapping[str, Any]
    """What the access token says that came with it. Empty: its kind has none."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """The claims that say who it is: those of the access token, if one comes with it."""
        return self.access_token_claims or self.token.claims

    @property
    def namespace(self) -> str:
        """The namespace within which the jti is unique."""
        kind, claims = self.profile.kind, self.token.claims
        if kind.key_in_header:
            claims = claims | {"cnf": {"jwk": self.token.header["jwk"]}}
        return kind.namespace(claims)


def judge(profile: Profile, request: HttpRequest, token: str | None = None) -> Steps[Candidate]:
    """
    Verify the token of a request. Nothing is reserved.

    ``token`` is given if it has been found already. Raises a :exc:`~jti_replay.TokenError` if
    the token is missing or refused, and :exc:`~jti_replay.KeysUnavailable` if that cannot be
    told.
    """
    kind, cache = profile.kind, replay_caches[profile.cache]
    if kind.methods is not None and request.method not in kind.methods:
        raise RequestInvalid(f"The method {request.method} is not answered here.")
    if token is None:
        token = kind.find(request)
    verified: VerifiedToken = yield verify, averify, (token, profile.rules)
    profile.check(verified, request)
    access: Mapping[str, Any] = {}
    if profile.access_token is not None:
        # It comes last: nothing is asked of another server for the sake of a bad token.
        access = yield from judge_access_token(profile.access_token, request)
    return Candidate(profile, verified, cache, access)


def reserve(candidate: Candidate, request: HttpRequest) -> Steps[Reservation]:
    """
    Reserve the jti of a token, and judge its times once more after the wait for the store.

    Raises :exc:`~jti_replay.TokenReplayed` if it has been used, a
    :exc:`~jti_replay.TokenInvalid` if it has expired, and :exc:`~jti_replay.CacheError` if the
    store fails.
    """
    since = first_use(candidate) if candidate.cache.refuses_cold_start else None
    made: list[Reservation] = []
    try:
        yield reserving(candidate, request, since, made)
        if not made:
            raise TokenReplayed("The token has already been used.")
        judge_again(candidate)
    except BaseException:  # Also that of a signal handler.
        for reservation in made:
            yield from release_quietly(reservation)
        raise
    return made[0]


def reserving(
    candidate: Candidate, request: HttpRequest, since: float | None, made: list[Reservation]
) -> Step:
    """
    Return the step that reserves the jti of a token until its last moment, and adds the
    reservation to a list if the jti was new.

    Without a last moment it is kept for the TTL of the cache. ``since`` is when the token can
    have been used first.
    """
    cache, jti, namespace = candidate.cache, candidate.token.jti, candidate.namespace
    profile, last = candidate.profile.name, _last(candidate)
    # Another profile with the same cache may accept the token for longer.
    until = None if last is None else last + candidate.profile.retention_margin

    # They note it themselves: an exception of a signal handler may come between a step and
    # its generator. It comes after a call with **arguments, too.
    def reserve() -> None:
        reservation = cache.reserve(
            jti,
            until,
            namespace=namespace,
            usable_since=since,
            request=request,
            profile=profile,
        )
        if reservation is not None:
            made.append(reservation)

    async def areserve() -> None:
        reservation = await cache.areserve(
            jti,
            until,
            namespace=namespace,
            usable_since=since,
            request=request,
            profile=profile,
        )
        if reservation is not None:
            made.append(reservation)

    return reserve, areserve, ()


def judge_again(candidate: Candidate) -> None:
    """
    Judge a token once more, after a wait.

    Raises :exc:`~jti_replay.TokenInvalid` if it has expired, or is accepted for longer than
    its jti is kept.
    """
    last = _last(candidate)
    profile, now = candidate.profile, time.time()
    if now >= candidate.token.good_until:
        check_times(candidate.token.claims, profile.rules, now)
    if last is not None and last + profile.rules.leeway < now:
        raise TokenInvalid("The token is too old.")
    if profile.access_token is not None:
        judge_access_token_again(profile.access_token, candidate.access_token_claims)


def _last(candidate: Candidate) -> float | None:
    return candidate.profile.kind.expires_at(candidate.token.claims)


def release_quietly(reservation: Reservation) -> Steps[None]:
    """Release a reservation. A failure has been logged, and the jti is then kept."""
    try:
        yield reservation.release, reservation.arelease, ()
    except CacheError:
        pass


def attach(request: Any, candidate: Candidate, reservation: Reservation | None) -> None:
    """Give a request what its view needs to know of the token."""
    request.jwt_header = candidate.token.header
    request.jwt_claims = candidate.token.claims
    request.jti_reservation = reservation
    if candidate.access_token_claims:
        request.access_token_claims = candidate.access_token_claims
    reservations = getattr(request, "jti_reservations", None)
    if reservations is None:
        reservations = request.jti_reservations = {}
    reservations[candidate.profile.name] = reservation


def first_use(candidate: Candidate) -> float:
    """Return the earliest moment at which a token can have been used."""
    rules = candidate.profile.rules
    oldest = rules.max_lifetime if rules.max_age is None else rules.max_age
    return earliest_use(
        candidate.profile.kind.made_at(candidate.token.claims),
        now=time.time(),
        leeway=rules.leeway,
        # A token of a kind without both may be as old as can be.
        max_lifetime=math.inf if oldest is None else oldest,
    )
