"""Digests that only this process can compute: nobody can aim at a cell of its store."""

from __future__ import annotations

import os
import secrets
import struct
import sys
from collections.abc import Mapping
from hashlib import blake2b
from typing import Protocol

DIGEST_SIZE = 12
"""Bytes in a digest: 96 bits."""

MOST_NAMESPACES = 1024
"""Namespaces for which the beginning of a digest is kept. A site has a few issuers."""

pack = struct.Struct("=qi").pack
"""Makes a digest of a hash of Python and the upper half of another one."""


class KeyedDigest(Protocol):
    """Computes the digest of a (namespace, jti) pair. No two pairs feed it the same input."""

    @property
    def prefixes(self) -> Mapping[str, tuple[str, str]]:
        """
        By namespace, what goes before a jti in either half of its digest, for those to whom
        a call is too dear: ``pack(hash(first + jti), hash(second + jti) >> 32)``. What is not
        in it is to be left to the call.
        """

    def __call__(self, namespace: str, jti: str) -> bytes:
        """Return the digest of a pair."""


def keyed_digest() -> KeyedDigest:
    """Return a digest function under a new key, the fastest one that this Python has."""
    info = sys.hash_info
    if info.width == 64 and info.algorithm.startswith("siphash"):
        return SiphashDigest()
    return Blake2Digest()


class SiphashDigest:
    """
    A digest function made of Python's own str hash, SipHash (PEP 456).

    Two secret prefixes make two independent functions of it, of which 64 and 32 bits are
    taken. They also serve as its key where PYTHONHASHSEED has given away the usual one.
    """

    def __init__(self) -> None:
        self._secrets = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self.prefixes: dict[str, tuple[str, str]] = {}

    def __call__(self, namespace: str, jti: str) -> bytes:
        """Return the digest of a pair."""
        first, second = self.prefixes.get(namespace) or self._begin(namespace)
        return pack(hash(first + jti), hash(second + jti) >> 32)

    def _begin(self, namespace: str) -> tuple[str, str]:
        if len(self.prefixes) >= MOST_NAMESPACES:
            self.prefixes.clear()
        scope = f"{len(namespace)}:{namespace}"
        first, second = self._secrets
        made = self.prefixes[namespace] = first + scope, second + scope
        return made


class Blake2Digest:
    """A digest function made of keyed BLAKE2b (RFC 7693)."""

    prefixes: Mapping[str, tuple[str, str]] = {}

    def __init__(self) -> None:
        self._key = os.urandom(32)

    def __call__(self, namespace: str, jti: str) -> bytes:
        """Return the digest of a pair."""
        text = f"{len(namespace)}:{namespace}{jti}".encode("utf-8", "surrogatepass")
        return blake2b(text, digest_size=DIGEST_SIZE, key=self._key).digest()
