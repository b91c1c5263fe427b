"""Digests that only this process can compute: nobody can aim at a cell of its store."""

from __future__ import annotations

import os
import secrets
import struct
import sys
from collections.abc import Callable
from hashlib import blake2b
from typing import TypeAlias

DIGEST_SIZE = 12
"""Bytes in a digest: 96 bits."""

MOST_NAMESPACES = 1024
"""Namespaces for which the beginning of a digest is kept. A site has a few issuers."""

Digest: TypeAlias = Callable[[str, str], bytes]
"""Computes the digest of a (namespace, jti) pair. No two pairs feed it the same input."""


def keyed_digest() -> Digest:
    """Return a digest function under a new key, the fastest one that this Python has."""
    info = sys.hash_info
    if info.width == 64 and info.algorithm.startswith("siphash"):
        return siphash_digest()
    return blake2b_digest()


def siphash_digest() -> Digest:
    """
    Return a digest function made of Python's own str hash, SipHash (PEP 456).

    Two secret prefixes make two independent functions of it, of which 64 and 32 bits are
    taken. They also serve as its key where PYTHONHASHSEED has given away the usual one.
    """
    secret = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    pack = struct.Struct("=qI").pack
    prefixes: dict[str, tuple[str, str]] = {}

    def digest(namespace: str, jti: str) -> bytes:
        try:
            first, second = prefixes[namespace]
        except KeyError:
            if len(prefixes) >= MOST_NAMESPACES:
                prefixes.clear()
            scope = f"{len(namespace)}:{namespace}"
            first, second = prefixes[namespace] = secret[0] + scope, secret[1] + scope
        return pack(hash(first + jti), hash(second + jti) & 0xFFFFFFFF)

    return digest


def blake2b_digest() -> Digest:
    """Return a digest function made of keyed BLAKE2b (RFC 7693)."""
    key = os.urandom(32)

    def digest(namespace: str, jti: str) -> bytes:
        text = f"{len(namespace)}:{namespace}{jti}".encode("utf-8", "surrogatepass")
        return blake2b(text, digest_size=DIGEST_SIZE, key=key).digest()

    return digest
