"""The keys of the issuer and of its client, kept in the run directory."""

import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.conf import settings
from example.kept_files import kept
from jwt.algorithms import ECAlgorithm, RSAAlgorithm


def signing_key() -> rsa.RSAPrivateKey:
    """Return the private key of the issuer."""
    pem = kept(
        settings.RUN_DIR / "issuer.pem", lambda: _pem(rsa.generate_private_key(65537, 2048))
    )
    key = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def client_key() -> ec.EllipticCurvePrivateKey:
    """Return the private key of the client, which only the client has."""
    pem = kept(
        settings.RUN_DIR / "client.pem", lambda: _pem(ec.generate_private_key(ec.SECP256R1()))
    )
    key = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def published_key() -> dict[str, Any]:
    """Return the public key of the issuer as a JWK (RFC 7517)."""
    key = signing_key().public_key()
    jwk = RSAAlgorithm.to_jwk(key, as_dict=True)
    return jwk | {"kid": key_id(key), "use": "sig", "alg": "RS256"}


def registered_keys(header: Mapping[str, Any], claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the public keys of the client that an assertion names: ``KEY`` of a profile."""
    if claims.get("sub") != settings.CLIENT_ID:
        raise LookupError("There is no such client.")
    return {"keys": [ECAlgorithm.to_jwk(client_key().public_key(), as_dict=True)]}


def key_id(key: rsa.RSAPublicKey) -> str:
    """Return the name (kid) of a public key."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()[:16]


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
