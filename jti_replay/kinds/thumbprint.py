"""The thumbprint of a public key (RFC 7638 3)."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

REQUIRED_MEMBERS = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "RSA": ("e", "kty", "n"),
}
"""What makes a key, by its ``kty`` (RFC 7638 3.2, RFC 8037 2)."""

CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
"""No white space, and the members in order (RFC 7638 3)."""


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the SHA-256 thumbprint of a JWK that has verified a signature, as base64url."""
    members = {name: jwk[name] for name in REQUIRED_MEMBERS[jwk["kty"]]}
    return sha256_base64url(CANONICAL.encode(members))


def sha256_base64url(text: str) -> str:
    """Return the SHA-256 of an ASCII text as base64url without padding (RFC 7515 2)."""
    digest = hashlib.sha256(text.encode("ascii")).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
