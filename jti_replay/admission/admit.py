"""Find the token of a request, verify it, and reserve its jti."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from jti_replay.caches import replay_caches
from jti_replay.exceptions import CacheError, RequestInvalid, TokenInvalid, TokenReplayed
from jti_replay.profiles import Profile
from jti_replay.reservation import Reservation
from jti_replay.reservation.cold_start import earliest_use
from jti_replay.steps import Steps
from jti_replay.tokens.claims import check_times
from jti_replay.tokens.verification import VerifiedToken, averify, verify

if TYPE_CHECKING:
    from django.http import HttpRequest

    from jti_replay.backends.base import BaseReplayCache


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that is good, and whose jti is not reserved yet."""

    profile: Profile
    token: VerifiedToken
    cache: BaseReplayCache

    @property
    def namespace(self) -> str:
        """The namespace within which the jti is unique."""
        return self.profile.kind.namespace(self.token.claims)


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
    return Candidate(profile, verified, cache)


def reserve(candidate: Candidate, request: HttpRequest) -> Steps[Reservation]:
    """
    Reserve the jti of a token, and judge its times once more after the wait for the store.

    Raises :exc:`~jti_replay.TokenReplayed` if it has been used, a
    :exc:`~jti_replay.TokenInvalid` if it has expired, and :exc:`~jti_replay.CacheError` if the
    store fails.
    """
    profile, cache = candidate.profile, candidate.cache
    claims, jti = candidate.token.claims, candidate.token.jti
    arguments: dict[str, Any] = {
        "namespace": candidate.namespace,
        "usable_since": _first_use(claims, profile) if cache.refuses_cold_start else None,
        "request": request,
        "profile": profile.name,
    }
    until = _kept_until(claims, profile)
    reservation: Reservation | None = yield (
        partial(cache.reserve, jti, until, **arguments),
        partial(cache.areserve, jti, until, **arguments),
        (),
    )
    if reservation is None:
        raise TokenReplayed("The token has already been used.")
    try:
        check_times(claims, profile.rules, time.time())
    except TokenInvalid:
        yield from release_quietly(reservation)
        raise
    return reservation


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
    reservations = getattr(request, "jti_reservations", None)
    if reservations is None:
        reservations = request.jti_reservations = {}
    reservations[candidate.profile.name] = reservation


def _kept_until(claims: Mapping[str, Any], profile: Profile) -> float | None:
    last = profile.kind.expires_at(claims)
    # Another profile with the same cache may accept the token for longer.
    return None if last is None else last + profile.retention_leeway


def _first_use(claims: Mapping[str, Any], profile: Profile) -> float:
    rules = profile.rules
    longest = rules.max_lifetime if rules.max_age is None else rules.max_age
    return earliest_use(
        claims, now=time.time(), leeway=rules.leeway, max_lifetime=longest or 0.0
    )
