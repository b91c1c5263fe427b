"""What the decorator adds to a whole request, whose view verifies with PyJWT anyway."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.test import RequestFactory, override_settings
from django.urls import path

from jti_replay.decorators import reserve_jti
from jti_replay.profiles import get_profile
from jti_replay.tokens.verification import verify

from .method import compare, fresh_jtis, progress

BATCH = 200
ISSUER, AUDIENCE = "https://issuer.example", "https://service.example"

PLAIN = "a view that does nothing"
VERIFY = "verify with PyJWT"
GUARD_VERIFY = "verify as the decorator does"
RESERVE = "reserve_jti(atomic=False)"


def measure(rounds: int) -> dict[str, Any]:
    """Return the costs of a request, by algorithm."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secret = b"s" * 32
    return {
        "HS256": _costs("HS256", secret, secret, secret, rounds),
        "RS256": _costs("RS256", private, pem, private.public_key(), rounds),
    }


def _costs(
    algorithm: str, signing: Any, setting: bytes, key: Any, rounds: int
) -> dict[str, Any]:
    progress(f"a whole request, {algorithm}")
    views, factory = _views(algorithm, key), RequestFactory()

    def environs(at: int) -> list[dict[str, Any]]:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "job", "iat": now, "exp": now + 300}
        tokens = (
            jwt.encode({**claims, "jti": jti}, signing, algorithm) for jti in fresh_jtis(BATCH)
        )
        return [
            factory.post(f"/{at}", HTTP_AUTHORIZATION=f"Bearer {token}").environ
            for token in tokens
        ]

    profile = {
        "ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "ALGORITHMS": [algorithm],
        "KEY": setting,
    }
    return compare_views(views, environs, profile, base=VERIFY, rounds=rounds)


def compare_views(
    views: Mapping[str, Callable[..., JsonResponse]],
    environs: Callable[[int], list[dict[str, Any]]],
    profile: Mapping[str, Any],
    *,
    base: str,
    rounds: int,
) -> dict[str, Any]:
    """
    Return the costs of whole requests to some views, by their names.

    The URL of a view is its number, for which ``environs`` gives a batch of new requests.
    """

    class URLs:
        urlpatterns: ClassVar = [path(f"{at}", view) for at, view in enumerate(views.values())]

    def batches() -> Mapping[str, tuple[Callable[[], object], int]]:
        return {
            name: (answer_all(handler, environs(at)), BATCH) for at, name in enumerate(views)
        }

    with override_settings(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=URLs,
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        JTI_REPLAY={"PROFILES": {"default": profile}},
    ):
        handler = WSGIHandler()
        return compare(batches, base=base, rounds=rounds, clock=time.thread_time_ns)


def _views(algorithm: str, key: Any) -> dict[str, Callable[..., JsonResponse]]:
    def plain(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"sub": "job"})

    def verify_only(request: HttpRequest) -> JsonResponse:
        claims = jwt.decode(
            request.META["HTTP_AUTHORIZATION"].removeprefix("Bearer "),
            key,
            algorithms=[algorithm],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=30,
            options={"require": ["exp", "jti"]},
        )
        return JsonResponse({"sub": claims["sub"]})

    def verify_as_guard(request: HttpRequest) -> JsonResponse:
        profile = get_profile("default")
        claims = verify(profile.kind.find(request), profile.rules).claims
        return JsonResponse({"sub": claims["sub"]})

    # No transaction: that of the view is the project's business, and costs what it costs.
    @reserve_jti(atomic=False)
    def verify_and_reserve(request: Any) -> JsonResponse:
        return JsonResponse({"sub": request.jwt_claims["sub"]})

    return {
        VERIFY: verify_only,
        RESERVE: verify_and_reserve,
        GUARD_VERIFY: verify_as_guard,
        PLAIN: plain,
    }


def answer_all(handler: WSGIHandler, environs: list[dict[str, Any]]) -> Callable[[], object]:
    """Return a function that answers requests, whose views must not refuse them."""

    def run() -> None:
        while environs:  # A request is gone once it is answered, with all that hangs on it.
            response = handler(environs.pop(), _start_response)
            b"".join(response)
            response.close()

    return run


def _start_response(status: str, headers: object) -> None:
    assert status == "200 OK", status
