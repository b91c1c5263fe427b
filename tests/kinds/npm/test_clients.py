"""Clients and senders written for Node.js, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import path
from jwcrypto.jwk import JWK

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from tests.kinds.authorization_server import (
    CLIENT,
    CLIENT_KEY,
    at_resource,
    at_token_endpoint,
    clients,
    public_token,
    things,
    token,
)
from tests.kinds.serving import serving
from tests.tokens.tokens import CACHES

SENDER, RECEIVER = "https://sender.example.com", "https://receiver.example.com"
KINDS = {
    "client_assertion": (400, "invalid_client"),
    "jwt_bearer_grant": (400, "invalid_grant"),
    "logout_token": (400, "invalid_request"),
    "security_event": (202, ""),
}
"""What is said to a token that comes again."""


@pytest.mark.parametrize("nonces", [False, True])
def test_dpop_of_npm_gets_through(
    settings: Any, run: Callable[..., Any], *, nonces: bool
) -> None:
    """Its proofs pass with each of its algorithms, once, and it finds the nonces."""
    algorithms = ["ES256", "Ed25519", "PS256", "RS256"]
    with serving(settings, [path("token", public_token), path("things", things)]) as origin:
        settings.JTI_REPLAY = {
            "CACHES": CACHES,
            "PROFILES": {
                "token": at_token_endpoint(origin, nonces=nonces, ALGORITHMS=algorithms),
                "api": at_resource(nonces=nonces, ALGORITHMS=algorithms),
            },
        }
        found = run(
            "dpop.mjs",
            algorithms=algorithms,
            token=f"{origin}/token",
            resource=f"{origin}/things?page=2",
        )
    assert replay_cache.count() == len(algorithms) * 3
    for algorithm in algorithms:
        client = found[algorithm]
        assert client.pop("challenge").startswith('DPoP error="invalid_dpop_proof"')
        # Each profile has nonces of its own.
        retries = 2 if nonces else 0
        assert client == {"retries": retries, "bound": True, "answers": [200, 200, 401]}


@pytest.mark.parametrize("nonces", [False, True])
def test_oauth4webapi_gets_through(
    settings: Any, run: Callable[..., Any], *, nonces: bool
) -> None:
    """It authenticates with an assertion, and retries with the nonces that it is given."""
    with serving(settings, [path("token", token), path("things", things)]) as origin:
        settings.JTI_REPLAY = {
            "CACHES": CACHES,
            "PROFILES": {
                "token": at_token_endpoint(origin, nonces=nonces),
                "clients": clients(origin),
                "api": at_resource(nonces=nonces),
            },
        }
        found = run(
            "oauth4webapi.mjs",
            server={"issuer": origin, "token_endpoint": f"{origin}/token"},
            client={"client_id": CLIENT},
            key=CLIENT_KEY.export(as_dict=True),
            parameters={},
            resource=f"{origin}/things?page=2",
        )
    hello = [200, {"hello": CLIENT}]
    assert found == {
        "retries": 2 if nonces else 0,
        "answers": [hello, hello, [401, "invalid_dpop_proof"]],
    }
    assert replay_cache.count() == 2 + 2


def test_tokens_of_jose_are_taken_once(settings: Any, run: Callable[..., Any]) -> None:
    """Of each kind, signed with each of three keys of one set."""
    keys = [
        JWK.generate(kty="EC", crv="P-256", kid="1", alg="ES256"),
        JWK.generate(kty="OKP", crv="Ed25519", kid="2", alg="EdDSA"),
        JWK.generate(kty="RSA", size=2048, kid="3", alg="PS256"),
    ]
    public = {"keys": [key.export_public(as_dict=True) for key in keys]}
    profile = {
        "AUDIENCE": RECEIVER,
        "ALGORITHMS": ["ES256", "EdDSA", "PS256"],
        "KEY": lambda header, claims: public,
    }
    views = [
        path(kind, reserve_jti(kind, atomic=False)(lambda request: HttpResponse("done")))
        for kind in KINDS
    ]
    issuers = {"logout_token": SENDER, "security_event": SENDER, "jwt_bearer_grant": SENDER}
    with serving(settings, views) as origin:
        settings.JTI_REPLAY = {
            "CACHES": CACHES,
            "PROFILES": {
                kind: profile
                | {"KIND": kind}
                | ({"ISSUER": issuers[kind]} if kind in issuers else {})
                for kind in KINDS
            },
        }
        answers = run(
            "jose.mjs",
            keys=[key.export(as_dict=True) for key in keys],
            issuer=SENDER,
            audience=RECEIVER,
            origin=origin,
        )
    assert answers == [
        [algorithm, kind, [200, "done"], list(again)]
        for algorithm in profile["ALGORITHMS"]
        for kind, again in KINDS.items()
    ]
