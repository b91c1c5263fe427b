"""An authorization server that knows one client, and a resource that takes its tokens."""

from __future__ import annotations

import time
from typing import Any

import jwt
from django.http import HttpResponse, JsonResponse
from jwcrypto.jwk import JWK

from jti_replay.decorators import reserve_jti

ISSUER, RESOURCE = "https://as.example.com", "https://api.example.com"
SECRET = "a secret of the tests, of 32 bytes or more"
CLIENT = "client 1"
CLIENT_KEY = JWK.generate(kty="EC", crv="P-256", kid="first")


def issued(subject: str, jkt: str) -> HttpResponse:
    """Return the answer that holds an access token, bound to a key."""
    content = {
        "iss": ISSUER,
        "aud": RESOURCE,
        "sub": subject,
        "exp": int(time.time()) + 60,
        "cnf": {"jkt": jkt},
    }
    text = jwt.encode(content, SECRET, "HS256", headers={"typ": "at+jwt"})
    return JsonResponse({"access_token": text, "token_type": "DPoP", "expires_in": 60})


@reserve_jti("token", atomic=False)
@reserve_jti("clients", atomic=False)
def token(request: Any) -> HttpResponse:
    """Issue an access token to a client that authenticates with an assertion."""
    return issued(request.client_id, request.dpop_jkt)


@reserve_jti("token", atomic=False)
def public_token(request: Any) -> HttpResponse:
    """Issue an access token to a client that only has a key."""
    return issued("public", request.dpop_jkt)


@reserve_jti("api", atomic=False)
def things(request: Any) -> HttpResponse:
    return JsonResponse({"hello": request.access_token_claims["sub"]})


def client_key(header: Any, content: Any) -> Any:
    return CLIENT_KEY.export_public(as_dict=True) if content["sub"] == CLIENT else None


def at_token_endpoint(origin: str, *, nonces: bool, **changes: Any) -> dict[str, Any]:
    options = {"at": "token_endpoint", "origin": origin, "nonces": nonces}
    return {"KIND": "dpop", "OPTIONS": options, **changes}


def clients(*audience: str, **changes: Any) -> dict[str, Any]:
    return {
        "KIND": "client_assertion",
        "AUDIENCE": list(audience),
        "ALGORITHMS": ["ES256"],
        "KEY": client_key,
        **changes,
    }


def at_resource(*, nonces: bool, **changes: Any) -> dict[str, Any]:
    access_token = {
        "ISSUER": ISSUER,
        "AUDIENCE": RESOURCE,
        "ALGORITHMS": ["HS256"],
        "KEY": SECRET,
    }
    options = {"access_token": access_token, "nonces": nonces}
    return {"KIND": "dpop", "OPTIONS": options, **changes}
