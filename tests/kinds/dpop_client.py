"""A client of DPoP: its key, its access token, its proofs, and the requests that carry them."""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from typing import Any

import jwt
from django.http import HttpRequest
from django.test import RequestFactory

from jti_replay.kinds.thumbprint import thumbprint
from tests.tokens.keypairs import KeyPair, keypair
from tests.tokens.tokens import base64url, signed

ORIGIN, PATH = "https://api.example.com", "/things"
SERVER = "https://as.example.com"
KEY = keypair("ES256", "client")
RSA = keypair("RS256", "client")
SERVER_KEY = keypair("ES256", "server")

CHALLENGE = re.compile(
    r'DPoP error="(\w+)", error_description="([^"]+)", algs="ES256 EdDSA Ed25519"'
)

ACCESS_TOKEN: dict[str, Any] = {
    "ISSUER": SERVER,
    "AUDIENCE": ORIGIN,
    "ALGORITHMS": ["ES256"],
    "KEY": SERVER_KEY.pem(),
}
RESOURCE: dict[str, Any] = {
    "KIND": "dpop",
    "OPTIONS": {"origin": ORIGIN, "access_token": ACCESS_TOKEN},
}
TOKEN_ENDPOINT: dict[str, Any] = {
    "KIND": "dpop",
    "OPTIONS": {"origin": ORIGIN, "at": "token_endpoint"},
}


def public_jwk(key: KeyPair = KEY, **changes: Any) -> dict[str, Any]:
    """Return a public key as clients put it into proofs."""
    return key.jwk(kid=None, use=None, alg=None, **changes)


def access_token(
    *,
    key: KeyPair = SERVER_KEY,
    bound_to: KeyPair = KEY,
    typ: str | None = "at+jwt",
    **changes: Any,
) -> str:
    """Return an access token that is bound to a key. None removes a claim."""
    now = int(time.time())
    claims = {
        "iss": SERVER,
        "aud": ORIGIN,
        "sub": "user 1",
        "iat": now,
        "exp": now + 24 * 3600,
        "cnf": {"jkt": thumbprint(bound_to.jwk())},
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return signed(claims, key=key.private, algorithm=key.algorithm, header={"typ": typ})


def proof(
    token: str | None = None,
    *,
    key: KeyPair = KEY,
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """Return a proof for the access token, but for the changes. None removes a part."""
    claims = {
        "jti": str(uuid.uuid4()),
        "htm": "GET",
        "htu": f"{ORIGIN}{PATH}",
        "iat": int(time.time()),
        "ath": None if token is None else hash_of(token),
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    head = {"typ": "dpop+jwt", "alg": key.algorithm, "jwk": public_jwk(key)} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    # Not PyJWT's encode(), which is too careful to write most of the bad ones.
    text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
    signature = jwt.get_algorithm_by_name(key.algorithm).sign(text.encode(), key.private)
    return f"{text}.{base64url(signature)}"


def hash_of(token: str) -> str:
    """Return the ``ath`` of a token."""
    return base64url(hashlib.sha256(token.encode()).digest())


def request(
    proof: str | None,
    token: str | None = None,
    *,
    method: str = "GET",
    path: str = PATH,
    **headers: str,
) -> HttpRequest:
    """Return a request with a proof, and an access token."""
    if proof is not None:
        headers["DPoP"] = proof
    if token is not None:
        headers["Authorization"] = f"DPoP {token}"
    return RequestFactory().generic(method, path, headers=headers)


def refused(response: Any, code: str = "invalid_dpop_proof") -> str:
    """Return the description of a refusal at a resource."""
    body = json.loads(response.content)
    assert (response.status_code, body["error"]) == (401, code)
    found = CHALLENGE.fullmatch(response["WWW-Authenticate"])
    assert found
    assert found.groups() == (code, body["error_description"])
    assert response["Cache-Control"] == "no-store"
    assert "DPoP-Nonce" not in response
    return str(body["error_description"])


def with_jwk(jwk: Any, **changes: Any) -> str:
    return proof(header={"jwk": jwk}, **changes)
