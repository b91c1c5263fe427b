"""Key pairs of issuers, made once in a test run."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from .tokens import signed

MAKERS = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True)
class KeyPair:
    """A private key, what it is for, and the public one."""

    private: Any
    algorithm: str
    kid: str

    def named(self, kid: str) -> KeyPair:
        return replace(self, kid=kid)

    def sign(self, *, algorithm: str | None = None, **changes: Any) -> str:
        """Return a good token, with the changes, that names this key."""
        header = changes.pop("header", {"kid": self.kid})
        return signed(
            key=self.private, algorithm=algorithm or self.algorithm, header=header, **changes
        )

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """Return the public key as a JWK. None removes a member."""
        return self._jwk(self.private.public_key(), changes)

    def private_jwk(self, **changes: Any) -> dict[str, Any]:
        return self._jwk(self.private, changes)

    def pem(self) -> str:
        return (
            self.private.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def private_pem(self) -> str:
        return self.private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode()

    def _jwk(self, key: Any, changes: dict[str, Any]) -> dict[str, Any]:
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        members = json.loads(algorithm.to_jwk(key))
        members.pop("key_ops", None)
        members |= {"kid": self.kid, "use": "sig", "alg": self.algorithm} | changes
        return {name: value for name, value in members.items() if value is not None}


@cache
def keypair(algorithm: str = "ES256", kid: str = "first") -> KeyPair:
    """Return the key pair of a name, always the same one."""
    return KeyPair(MAKERS[algorithm](), algorithm, kid)
