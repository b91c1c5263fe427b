"""The key of the issuer. It is made when first asked for, and kept in the run directory."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings


def signing_key() -> rsa.RSAPrivateKey:
    """Return the private key, the same one in the server and in the mint command."""
    path: Path = settings.RUN_DIR / "issuer.pem"
    if not path.exists():
        _make_key(path)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def key_id(key: rsa.RSAPublicKey) -> str:
    """Return the name (kid) of a public key."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()[:16]


def _make_key(path: Path) -> None:
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # The file appears at once and whole, and the first of two processes that make one wins.
    with NamedTemporaryFile(dir=path.parent) as file, suppress(FileExistsError):
        file.write(pem)
        file.flush()
        os.link(file.name, path)
