"""Tokens of all kinds, good and bad, and the profile that judges them."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from base64 import urlsafe_b64encode
from typing import Any

import jwt

SECRET = "a secret of the tests, of 32 bytes or more"
ISSUER = "https://issuer.example"
AUDIENCE = "https://service.example"
PROFILE: dict[str, Any] = {
    "KEY": SECRET,
    "ALGORITHMS": ["HS256"],
    "ISSUER": ISSUER,
    "AUDIENCE": AUDIENCE,
}
CACHES: dict[str, Any] = {
    "default": {"BACKEND": "jti_replay.backends.memory.InMemoryCache", "TTL": 0}
}

_numbers = itertools.count()


def good_claims(**changes: Any) -> dict[str, Any]:
    """Return claims that the profile accepts, with the changes. None removes a claim."""
    known = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": int(time.time()) + 60,
        "jti": f"token {next(_numbers)}",
    }
    return {name: value for name, value in (known | changes).items() if value is not None}


def signed(
    claims: dict[str, Any] | None = None,
    *,
    key: Any = SECRET,
    algorithm: str = "HS256",
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """Return a token with good claims and the changes."""
    # Not PyJWT's jwt.encode(), which is too careful to write most of the bad ones.
    payload = json.dumps(good_claims(**changes) if claims is None else claims).encode()
    return jwt.PyJWS().encode(payload, key, algorithm, headers=header)


def assembled(header: bytes, payload: bytes, secret: str | bytes = SECRET) -> str:
    """Return a token of these very bytes, with the right HS256 signature."""
    key = secret.encode() if isinstance(secret, str) else secret
    signing_input = f"{base64url(header)}.{base64url(payload)}"
    signature = hmac.digest(key, signing_input.encode(), hashlib.sha256)
    return f"{signing_input}.{base64url(signature)}"


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def bearer(token: str) -> dict[str, str]:
    """Return the headers by which a token is sent."""
    return {"Authorization": f"Bearer {token}"}
