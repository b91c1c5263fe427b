"""Keys that the tokens of a test are signed with."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from jti_replay.tokens.parsing import UnverifiedToken
from jti_replay.tokens.signatures import PreparedKey

MAKERS: dict[str, Callable[[], Any]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ES521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ES256K": lambda: ec.generate_private_key(ec.SECP256K1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}


class EphemeralKey:
    """A key for one algorithm that no one else has: it signs, and it is a source of keys."""

    unusable = ""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = "EdDSA" if algorithm in ("Ed25519", "Ed448") else algorithm
        self.name = algorithm
        if algorithm.startswith("HS"):
            self._private: Any = secrets.token_bytes(64)
            public: Any = self._private
        else:
            self._private = MAKERS.get(algorithm, _rsa_key)()
            public = self._private.public_key()
        self._keys = (PreparedKey(public),)

    def get(self, token: UnverifiedToken) -> Sequence[Any]:
        """Return the key."""
        return self._keys

    async def aget(self, token: UnverifiedToken) -> Sequence[Any]:
        """Async version of :meth:`get`."""
        return self._keys

    def public_jwk(self) -> dict[str, Any]:
        """Return the public key as a JWK (RFC 7517)."""
        jwk: dict[str, Any] = json.loads(
            jwt.get_algorithm_by_name(self.algorithm).to_jwk(self._keys[0].key)
        )
        jwk.pop("key_ops", None)
        return jwk

    def sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Return a token."""
        # Not PyJWS.encode(), which does not know the name Ed25519 (RFC 9864).
        parts = [_encoded(json.dumps(part).encode()) for part in (header, claims)]
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        signature = algorithm.sign(".".join(parts).encode(), self._private)
        return ".".join([*parts, _encoded(signature)])


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).decode().rstrip("=")


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    # One for the process: it takes a tenth of a second to make.
    return rsa.generate_private_key(65537, 2048)
