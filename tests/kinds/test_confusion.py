"""A good token of each kind is refused by every other kind (RFC 8725 3.11, 3.12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from jti_replay.kinds.registry import BUILT_IN
from jti_replay.profiles import get_profile
from jti_replay.testing import TokenFactory
from tests.tokens.tokens import CACHES, SECRET, signed

COMMON = {"AUDIENCE": "https://site.example", "ALGORITHMS": ["HS256"], "KEY": SECRET}
ISSUED = COMMON | {"ISSUER": "client"}
"""The client of an assertion is its issuer: one name, and one key, for all of them."""

PROFILES: dict[str, Any] = {
    "bearer": ISSUED,
    "client_assertion": COMMON | {"KIND": "client_assertion"},
    "jwt_bearer_grant": ISSUED | {"KIND": "jwt_bearer_grant"},
    "dpop": {"KIND": "dpop", "OPTIONS": {"at": "token_endpoint"}, "ALGORITHMS": ["ES256"]},
    "logout_token": ISSUED | {"KIND": "logout_token"},
    "security_event": ISSUED | {"KIND": "security_event"},
    "link": {"KIND": "link", "KEY": SECRET},
}


@pytest.fixture
def make(settings: Any) -> Callable[[str], str]:
    """Give a function that makes a good token of a kind."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": PROFILES}
    settings.ROOT_URLCONF = tuple(
        path(name, reserve_jti(name, atomic=False)(lambda request: HttpResponse("in")))
        for name in PROFILES
    )

    def make(name: str) -> str:
        factory = TokenFactory(name)
        # With the key that all profiles have, so that only the kind tells them apart.
        with factory as tokens:
            if name == "dpop":
                return tokens.proof("POST", "/dpop")
            if name == "link":
                return tokens.token()
            sub = "client" if name == "client_assertion" else "user"
            claims = {"iss": "client", "sub": sub}
            own = get_profile(name).rules
            made = tokens._claims(own, {**CLAIMS.get(name, {}), **claims})
            return signed(made, header={"typ": TYPES.get(name, "JWT")})

    return make


CLAIMS: dict[str, Any] = {
    "logout_token": {
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    },
    "security_event": {"events": {"https://example.com/event": {}}, "exp": None},
}
TYPES = {
    "client_assertion": "client-authentication+jwt",
    "logout_token": "logout+jwt",
    "security_event": "secevent+jwt",
}


def send(name: str, token: str) -> Any:
    carried = (
        {"headers": {"DPoP": token}} if name == "dpop" else get_profile(name).kind.carry(token)
    )
    return Client().post(f"/{name}", **carried)


def test_every_kind_is_in_the_matrix() -> None:
    """A new one must be, too."""
    assert PROFILES.keys() == BUILT_IN.keys()


@pytest.mark.parametrize("name", PROFILES)
def test_a_good_token_passes_at_its_own_endpoint(make: Callable[[str], str], name: str) -> None:
    """Otherwise the matrix would prove nothing."""
    assert send(name, make(name)).status_code == 200


@pytest.mark.parametrize("other", PROFILES)
@pytest.mark.parametrize("name", PROFILES)
def test_a_good_token_is_refused_elsewhere(
    make: Callable[[str], str], name: str, other: str
) -> None:
    """Nothing is reserved. Types and claims tell the kinds apart, where keys do not."""
    token = make(name)
    if name == other or (name, other) in ALIKE:
        return
    assert send(other, token).status_code in (400, 401)
    assert replay_cache.count() == 0


ALIKE = {
    # Neither has a type or a claim of its own: TYP, or another AUDIENCE, parts them.
    ("bearer", "jwt_bearer_grant"),
    ("jwt_bearer_grant", "bearer"),
}
