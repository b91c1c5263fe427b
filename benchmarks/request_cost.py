"""What the decorator adds to a view that verifies the token with PyJWT anyway."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.http import HttpRequest, JsonResponse
from django.test import RequestFactory, override_settings

from jti_replay.decorators import reserve_jti

from .method import compare, fresh_jtis, progress

BATCH = 200
ISSUER, AUDIENCE = "https://issuer.example", "https://service.example"


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
    factory = RequestFactory()

    def verify_only(request: HttpRequest) -> JsonResponse:
        token = request.META["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=30,
            options={"require": ["exp", "jti"]},
        )
        return JsonResponse({"sub": claims["sub"]})

    @reserve_jti
    def verify_and_reserve(request: Any) -> JsonResponse:
        return JsonResponse({"sub": request.jwt_claims["sub"]})

    def requests() -> list[HttpRequest]:
        now = int(time.time())
        return [
            factory.post("/", HTTP_AUTHORIZATION=f"Bearer {_token(jti, now)}")
            for jti in fresh_jtis(BATCH)
        ]

    def _token(jti: str, now: int) -> str:
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "job", "iat": now, "exp": now + 300}
        return jwt.encode({**claims, "jti": jti}, signing, algorithm)

    def batches() -> Mapping[str, tuple[Callable[[], object], int]]:
        return {
            "verify with PyJWT only": (_run(verify_only, requests()), BATCH),
            "reserve_jti": (_run(verify_and_reserve, requests()), BATCH),
        }

    profile = {
        "ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "ALGORITHMS": [algorithm],
        "KEY": setting,
    }
    with override_settings(JTI_REPLAY={"PROFILES": {"default": profile}}):
        costs = compare(batches, base="verify with PyJWT only", rounds=rounds)
    return {name: {"ns": cost.nanoseconds, "ratio": cost.ratio} for name, cost in costs.items()}


def _run(view: Callable[..., Any], requests: list[HttpRequest]) -> Callable[[], object]:
    def run() -> None:
        while requests:  # A request is gone once it is answered, with all that hangs on it.
            assert view(requests.pop()).status_code == 200

    return run
