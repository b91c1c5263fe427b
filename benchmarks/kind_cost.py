"""What the decorator adds to a request whose token, of each other kind, is verified anyway."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.test import RequestFactory

from jti_replay.decorators import reserve_jti
from jti_replay.kinds.client_assertion import TYPE
from jti_replay.kinds.jwt_bearer_grant import GRANT_TYPE
from jti_replay.kinds.link import derived_key
from jti_replay.kinds.logout_token import EVENT as LOGOUT
from jti_replay.kinds.security_event import MEDIA_TYPE
from jti_replay.links import sign_claims
from jti_replay.profiles import get_profile
from jti_replay.tokens.verification import verify

from .method import fresh_jtis, progress
from .request_cost import (
    AUDIENCE,
    BATCH,
    GUARD_VERIFY,
    ISSUER,
    PLAIN,
    RESERVE,
    VERIFY,
    compare_views,
)

PROFILE = "default"
REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
Claims = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A kind, the claims of its tokens, and what a view has to do about one by hand."""

    claims: Claims
    find: Callable[[HttpRequest], str]
    check: Callable[[Claims], bool]
    settings: tuple[str, ...] = ("AUDIENCE", "ISSUER")
    required: tuple[str, ...] = ("exp", "jti")
    header: Claims = field(default_factory=dict)


def _from_form(name: str, **fixed: str) -> Callable[[HttpRequest], str]:
    def find(request: HttpRequest) -> str:
        assert all(request.POST[parameter] == value for parameter, value in fixed.items())
        return str(request.POST[name])

    return find


def _from_body(request: HttpRequest) -> str:
    assert request.content_type == MEDIA_TYPE
    return request.body.decode("ascii")


CASES = {
    "client_assertion": Case(
        {"iss": "client", "sub": "client", "aud": AUDIENCE},
        _from_form("client_assertion", client_assertion_type=TYPE),
        lambda claims: claims["iss"] == claims["sub"],
        settings=("AUDIENCE",),
        required=("exp", "jti", "iss", "sub"),
    ),
    "jwt_bearer_grant": Case(
        {"iss": ISSUER, "sub": "job", "aud": AUDIENCE},
        _from_form("assertion", grant_type=GRANT_TYPE),
        lambda claims: bool(claims["sub"]),
        required=("exp", "jti", "sub"),
    ),
    "logout_token": Case(
        {"iss": ISSUER, "sub": "user", "aud": AUDIENCE, "events": {LOGOUT: {}}},
        _from_form("logout_token"),
        lambda claims: LOGOUT in claims["events"] and "nonce" not in claims,
        required=("exp", "jti", "iat", "sub"),
        header={"typ": "logout+jwt"},
    ),
    "security_event": Case(
        {"iss": ISSUER, "aud": AUDIENCE, "exp": None, "events": {REVOKED: {}}},
        _from_body,
        lambda claims: bool(claims["events"]) and claims["iat"] > time.time() - 604830,
        required=("jti", "iat"),
        header={"typ": "secevent+jwt"},
    ),
    "link": Case(
        {"aud": PROFILE, "sub": "user"},
        _from_form("token"),
        lambda claims: True,
        settings=(),
    ),
}
"""By the name of the kind. All but links, which are signed for oneself, are RS256."""


def measure(rounds: int) -> dict[str, Any]:
    """Return the costs of a request, by kind."""
    return {name: _costs(name, case, rounds) for name, case in CASES.items()}


def _costs(name: str, case: Case, rounds: int) -> dict[str, Any]:
    progress(f"a whole request, {name}")
    views, factory = _views(name, case), RequestFactory()

    def environs(at: int) -> list[dict[str, Any]]:
        carry, now = get_profile(PROFILE).kind.carry, int(time.time())
        claims = {"iat": now, "exp": now + 300, **case.claims}
        claims = {key: value for key, value in claims.items() if value is not None}
        tokens = (_signed(name, case, {**claims, "jti": jti}) for jti in fresh_jtis(BATCH))
        return [factory.post(f"/{at}", **carry(token)).environ for token in tokens]

    return compare_views(views, environs, _profile(name, case), base=VERIFY, rounds=rounds)


@cache
def _private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _signed(name: str, case: Case, claims: Claims) -> str:
    if name == "link":
        return sign_claims(get_profile(PROFILE), claims)
    return jwt.encode(claims, _private_key(), "RS256", headers=case.header)


def _profile(name: str, case: Case) -> dict[str, Any]:
    if name == "link":
        return {"KIND": name}
    pem = (
        _private_key()
        .public_key()
        .public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    known = {"AUDIENCE": AUDIENCE, "ISSUER": ISSUER}
    named = {setting: known[setting] for setting in case.settings}
    return {"KIND": name, "ALGORITHMS": ["RS256"], "KEY": pem, **named}


def _views(name: str, case: Case) -> dict[str, Callable[..., JsonResponse]]:
    algorithm = "HS256" if name == "link" else "RS256"
    issuer = ISSUER if "ISSUER" in case.settings else None
    options = {"require": list(case.required)}

    @cache
    def key() -> Any:
        if name == "link":
            return derived_key(PROFILE, settings.SECRET_KEY)
        return _private_key().public_key()

    def plain(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"jti": "a"})

    def by_hand(request: HttpRequest) -> JsonResponse:
        claims = jwt.decode(
            case.find(request),
            key(),
            algorithms=[algorithm],
            issuer=issuer,
            audience=case.claims["aud"],
            leeway=30,
            options=options,
        )
        assert case.check(claims)
        return JsonResponse({"jti": claims["jti"]})

    def verify_as_guard(request: HttpRequest) -> JsonResponse:
        profile = get_profile(PROFILE)
        verified = verify(profile.kind.find(request), profile.rules)
        profile.check(verified, request)
        return JsonResponse({"jti": verified.jti})

    @reserve_jti(atomic=False)
    def verify_and_reserve(request: Any) -> JsonResponse:
        return JsonResponse({"jti": request.jwt_claims["jti"]})

    return {
        VERIFY: by_hand,
        RESERVE: verify_and_reserve,
        GUARD_VERIFY: verify_as_guard,
        PLAIN: plain,
    }
