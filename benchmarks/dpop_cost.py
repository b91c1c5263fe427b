"""What the decorator adds to a request whose DPoP proof PyJWT verifies by hand anyway."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.http import HttpRequest, JsonResponse
from django.test import RequestFactory

from jti_replay.decorators import reserve_jti

from .method import fresh_jtis, progress
from .request_cost import AUDIENCE, BATCH, ISSUER, PLAIN, RESERVE, compare_views

ORIGIN = "https://service.example"
BY_HAND = "verify proof and access token with PyJWT"


def measure(rounds: int) -> dict[str, Any]:
    """Return the costs of a request with an ES256 proof and an RS256 access token."""
    progress("a whole request, DPoP")
    server = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    client = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(client.public_key(), as_dict=True)
    views, factory = _views(server.public_key()), RequestFactory()
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "job", "exp": now + 86400}
    bound = {**claims, "cnf": {"jkt": _thumbprint(jwk)}}
    token = jwt.encode(bound, server, "RS256", headers={"typ": "at+jwt"})
    header = {"typ": "dpop+jwt", "jwk": jwk}

    def environs(at: int) -> list[dict[str, Any]]:
        uri = {"htm": "POST", "htu": f"{ORIGIN}/{at}", "ath": _digest(token)}
        made = {"iat": int(time.time()), **uri}
        return [
            factory.post(
                f"/{at}",
                RAW_URI=f"/{at}",  # As gunicorn gives it.
                HTTP_AUTHORIZATION=f"DPoP {token}",
                HTTP_DPOP=jwt.encode({**made, "jti": jti}, client, "ES256", headers=header),
            ).environ
            for jti in fresh_jtis(BATCH)
        ]

    return compare_views(views, environs, _profile(server), base=BY_HAND, rounds=rounds)


def _profile(server: rsa.RSAPrivateKey) -> dict[str, Any]:
    pem = server.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    access_token = {
        "ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "ALGORITHMS": ["RS256"],
        "KEY": pem,
    }
    return {"KIND": "dpop", "OPTIONS": {"origin": ORIGIN, "access_token": access_token}}


def _views(key: rsa.RSAPublicKey) -> dict[str, Callable[..., JsonResponse]]:
    def plain(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"sub": "job"})

    def by_hand(request: HttpRequest) -> JsonResponse:
        token = request.META["HTTP_AUTHORIZATION"].removeprefix("DPoP ")
        proof = request.META["HTTP_DPOP"]
        header = jwt.get_unverified_header(proof)
        claims = jwt.decode(
            proof,
            jwt.PyJWK(header["jwk"]),
            algorithms=["ES256"],
            leeway=30,
            options={"require": ["iat", "jti", "htm", "htu", "ath"], "verify_aud": False},
        )
        access = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=30,
            options={"require": ["exp", "cnf"]},
        )
        assert header["typ"] == "dpop+jwt"
        assert claims["htm"] == request.method
        assert claims["htu"] == f"{ORIGIN}{request.path}"
        assert claims["iat"] > time.time() - 330
        assert claims["ath"] == _digest(token)
        assert access["cnf"]["jkt"] == _thumbprint(header["jwk"])
        return JsonResponse({"sub": access["sub"]})

    @reserve_jti(atomic=False)
    def verify_and_reserve(request: Any) -> JsonResponse:
        return JsonResponse({"sub": request.access_token_claims["sub"]})

    return {BY_HAND: by_hand, RESERVE: verify_and_reserve, PLAIN: plain}


def _thumbprint(jwk: Mapping[str, Any]) -> str:
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    return _digest(json.dumps(members, separators=(",", ":"), sort_keys=True))


def _digest(text: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
