"""What happens to a request before and after the view that a token pays for."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction

from jti_replay.caches import replay_caches
from jti_replay.exceptions import (
    CacheError,
    JTIReplayError,
    KeysUnavailable,
    TokenError,
    TokenReplayed,
)
from jti_replay.kinds.bearer import bearer_token, refuse
from jti_replay.profiles.profile import Profile, get_profile
from jti_replay.reservation.cold_start import earliest_use
from jti_replay.reservation.events import Subject
from jti_replay.rollback import release_on_rollback, transactions
from jti_replay.tokens.verification import averify, verify

if TYPE_CHECKING:
    from django.http import HttpRequest, JsonResponse

    from jti_replay.backends.base import BaseReplayCache
    from jti_replay.reservation import Reservation

logger = logging.getLogger("jti_replay")

T = TypeVar("T")

REFUSALS = (JTIReplayError, ImproperlyConfigured)
"""The errors that are answered. No other one is expected, and none of the view's is caught."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets a request pass to a view if its token is good and has not been used."""

    profile: str
    using: str
    atomic: bool
    release_on_error: bool

    def call(
        self, view: Callable[..., Any], request: HttpRequest, *args: Any, **kwargs: Any
    ) -> Any:
        """Verify, reserve, run the view, all in one transaction where there is one."""
        try:
            profile = get_profile(self.profile)
            claims = verify(bearer_token(request), profile.rules).claims
            cache = replay_caches[profile.cache]
            in_transaction = self.atomic and transactions.is_wanted(self.using)
        except REFUSALS as error:
            return self._refuse(error)
        view = partial(view, request, *args, **kwargs)
        if not in_transaction:
            return self._spend(view, request, claims, profile, cache)
        with ExitStack() as block:
            try:
                self._open_transaction(block, request, claims, profile, cache)
            except REFUSALS as error:
                return self._refuse(error)
            return self._spend(view, request, claims, profile, cache)

    def _spend(
        self,
        view: Callable[[], Any],
        request: HttpRequest,
        claims: dict[str, Any],
        profile: Profile,
        cache: BaseReplayCache,
    ) -> Any:
        try:
            reservation = _admitted(_ask(cache.reserve, cache, claims, profile, request))
        except REFUSALS as error:
            return self._refuse(error)
        bound = self._bind(reservation)
        _equip(request, claims, reservation)
        try:
            return view()
        except Exception:
            # A transaction knows better than the exception what was done.
            if self.release_on_error and not bound:
                with suppress(CacheError):
                    reservation.release()
            raise

    async def acall(
        self,
        view: Callable[..., Awaitable[Any]],
        request: HttpRequest,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Verify, reserve and run the view. Django's transactions are not for async code."""
        try:
            profile = get_profile(self.profile)
            verified = await averify(bearer_token(request), profile.rules)
            claims = verified.claims
            cache = replay_caches[profile.cache]
            reservation = _admitted(await _ask(cache.areserve, cache, claims, profile, request))
        except REFUSALS as error:
            return self._refuse(error)
        _equip(request, claims, reservation)
        try:
            return await view(request, *args, **kwargs)
        except Exception:
            if self.release_on_error:
                with suppress(CacheError):
                    await reservation.arelease()
            raise

    def _open_transaction(
        self,
        block: ExitStack,
        request: HttpRequest,
        claims: dict[str, Any],
        profile: Profile,
        cache: BaseReplayCache,
    ) -> None:
        try:
            block.enter_context(transaction.atomic(self.using))
        except DatabaseError as failure:
            if not cache.joins(self.using):
                raise
            # It is the store that does not answer, or is locked.
            error = CacheError(f"{type(failure).__name__}: {failure}")
            Subject(cache, claims["jti"], claims.get("iss", ""), request, profile.name).failed(
                "reserve", error
            )
            raise error from failure

    def _bind(self, reservation: Reservation) -> bool:
        try:
            return release_on_rollback(reservation, self.using)
        except BaseException:
            # Nothing would ever release it, and the view will not run.
            with suppress(CacheError):
                reservation.release()
            raise

    def _refuse(self, error: JTIReplayError | ImproperlyConfigured) -> JsonResponse:
        if isinstance(error, KeysUnavailable | ImproperlyConfigured):
            logger.error("The profile %r cannot judge a token: %s", self.profile, error)
        elif not isinstance(error, CacheError | TokenReplayed):  # These have been logged.
            text = error.explanation if isinstance(error, TokenError) else error
            logger.info("Refused a token: profile=%r: %s", self.profile, text)
        return refuse(error)


def _ask(
    reserve: Callable[..., T],
    cache: BaseReplayCache,
    claims: dict[str, Any],
    profile: Profile,
    request: HttpRequest,
) -> T:
    return reserve(
        claims["jti"],
        claims["exp"] + profile.rules.leeway,  # As long as verify() would accept the token.
        namespace=claims.get("iss", ""),
        usable_since=_first_use(claims, profile, cache),
        request=request,
        profile=profile.name,
    )


def _first_use(
    claims: dict[str, Any], profile: Profile, cache: BaseReplayCache
) -> float | None:
    if not cache.refuses_cold_start:
        return None  # It does not ask.
    return earliest_use(
        claims,
        now=time.time(),
        leeway=profile.rules.leeway,
        max_lifetime=profile.rules.max_lifetime or 0,
    )


def _admitted(reservation: Reservation | None) -> Reservation:
    if reservation is None:
        raise TokenReplayed("The token has already been used.")
    return reservation


def _equip(request: Any, claims: dict[str, Any], reservation: Reservation) -> None:
    request.jwt_claims = claims
    request.jti_reservation = reservation
