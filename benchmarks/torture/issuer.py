"""What the issuer of the torture run and the tortured site have agreed on."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

ISSUER = "https://issuer.example"
AUDIENCE = "https://service.example"
KEY = "a secret of issuer and service, 32 bytes or more"

LEEWAY = 1
"""Seconds. Small, because after a cold start tokens are refused for so long."""


def mint(jti: str, now: int, lifetime: int) -> str:
    """
    Return a token that was issued at ``now`` (seconds since 1970).

    Made by hand, because half of a run would go into the checks that PyJWT makes of the key.
    """
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "torture",
        "iat": now,
        "exp": now + lifetime,
        "jti": jti,
    }
    signed = HEADER + _base64url(json.dumps(claims).encode())
    signature = hmac.digest(KEY.encode(), signed, hashlib.sha256)
    return (signed + b"." + _base64url(signature)).decode()


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


HEADER = _base64url(b'{"alg":"HS256","typ":"JWT"}') + b"."
