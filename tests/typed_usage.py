"""
How a typed project uses this package. Nothing here runs: mypy reads it, as strictly as it
can, and each ``assert_type`` and each expected error is a claim.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, assert_type

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View

from jti_replay import (
    CacheError,
    CacheFull,
    JTIReplayError,
    KeysUnavailable,
    Reservation,
    TokenError,
    TokenInvalid,
    TokenMissing,
    TokenReplayed,
    release_on_rollback,
    replay_cache,
    replay_caches,
)
from jti_replay.backends.base import BaseReplayCache
from jti_replay.decorators import reserve_jti
from jti_replay.signals import jti_reserved, transaction_rolled_back

# Caches.

assert_type(replay_caches["shared"], BaseReplayCache)
assert_type(replay_cache.count(), int | None)
assert_type(replay_cache.release("jti", namespace="issuer"), bool)
replay_cache.close()


def reserving(moment: datetime) -> bool:
    replay_cache.reserve("jti")
    replay_cache.reserve("jti", None)
    replay_cache.reserve("jti", 1_900_000_000)
    replay_cache.reserve("jti", expires_at=1_900_000_000.5)
    reservation = replay_cache.reserve("jti", moment, namespace="issuer")
    assert_type(reservation, Reservation | None)
    if reservation is None:
        return False
    assert_type(reservation.jti, str)
    assert_type(reservation.namespace, str)
    assert_type(reservation.alias, str)
    assert_type(reservation.expires_at, datetime)
    assert_type(release_on_rollback(reservation), bool)
    assert_type(release_on_rollback(reservation, using="other"), bool)
    assert_type(release_on_rollback(reservation, "other"), bool)
    return reservation.release()


async def reserving_asynchronously() -> bool:
    reservation = await replay_cache.areserve("jti", datetime.now(UTC), namespace="issuer")
    assert_type(reservation, Reservation | None)
    assert_type(await replay_cache.arelease("jti", namespace="issuer"), bool)
    assert_type(await replay_cache.acount(), int | None)
    return reservation is not None and await reservation.arelease()


def mistakes(reservation: Reservation | None) -> None:
    replay_cache.reserve()  # type: ignore[call-arg]
    replay_cache.reserve(b"jti")  # type: ignore[arg-type]
    replay_cache.reserve("jti", "tomorrow")  # type: ignore[arg-type]
    replay_cache.reserve("jti", None, "issuer")  # type: ignore[call-arg]
    release_on_rollback(reservation)  # type: ignore[arg-type]
    reservation.release()  # type: ignore[union-attr]
    if reservation:
        reservation.jti = "another"  # type: ignore[misc]


# The decorator. A view keeps its type.


@reserve_jti
def bare(request: HttpRequest, pk: int) -> HttpResponse:
    return HttpResponse(pk)


@reserve_jti()
def called(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@reserve_jti("logout")
async def with_profile(request: HttpRequest, pk: int) -> HttpResponse:
    return HttpResponse(pk)


@reserve_jti("ci", using="default", atomic=True, release_on_error=False)
def with_everything(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@reserve_jti(profile="ci")
def with_profile_by_name(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class ByMethod(View):
    @method_decorator(reserve_jti("ci"))
    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


@method_decorator(reserve_jti, name="dispatch")
class ByClass(View):
    async def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


views: tuple[Callable[[HttpRequest, int], HttpResponse], Callable[[HttpRequest], HttpResponse]]
views = (bare, called)
async_view: Callable[[HttpRequest, int], Awaitable[HttpResponse]] = with_profile


def decorator_mistakes(request: HttpRequest) -> None:
    bare(request, "7")  # type: ignore[arg-type]
    reserve_jti("ci", "default")  # type: ignore[call-overload]
    reserve_jti("ci", atomic="yes")  # type: ignore[call-overload]
    reserve_jti(7)  # type: ignore[call-overload]


# Errors.


def roots() -> tuple[type[JTIReplayError], ...]:
    store: tuple[type[CacheError], ...] = (CacheError, CacheFull)
    tokens: tuple[type[TokenError], ...] = (TokenMissing, TokenInvalid, TokenReplayed)
    return (*store, *tokens, KeysUnavailable)


# Signals.


def receiver(sender: type, reservations: tuple[Reservation, ...], **kwargs: Any) -> None:
    for reservation in reservations:
        assert_type(reservation.release(), bool)


transaction_rolled_back.connect(receiver)
jti_reserved.connect(receiver)
