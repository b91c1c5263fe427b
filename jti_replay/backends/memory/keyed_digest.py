"""Digests that only this process can compute, so that no client can aim at a cell."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from hashlib import blake2b
from typing import Protocol

DIGEST_SIZE = 8
"""
Bytes in a digest. It has a secret key, so that only chance makes two of them equal: with a
million live entries, one good token in 2e13 is taken for a replay.
"""

PREFIX_SIZE = 12
"""Bytes in the digest of a namespace, too many for two that are equal."""

MAX_NAMESPACES = 1024
"""Namespaces whose prefix is kept. A site has a few issuers."""


class KeyedDigest(Protocol):
    """Computes the digest of a (namespace, jti) pair. No two pairs feed it the same input."""

    def __call__(self, namespace: str, jti: str) -> int:
        """Return the digest of a pair, a signed integer."""


def keyed_digest() -> KeyedDigest:
    """Return a digest function with a new key, the fastest one that this Python has."""
    info = sys.hash_info
    if info.width == 64 and info.algorithm.startswith("siphash"):
        return SiphashDigest()
    return Blake2Digest()


class SiphashDigest:
    """
    A digest function made of Python's own str hash, SipHash (PEP 456).

    Before the jti stands a keyed digest of the namespace, which nobody else can compute, also
    where PYTHONHASHSEED has given away the key of the hash. It is short, which is quicker, and
    as long for each namespace, so that where it ends is clear. As it is ASCII, it also tells
    apart texts that are equal byte by byte in memory, where a character may take one, two or
    four of them.

    A caller may compute ``hash(prefixes[namespace] + jti)`` itself for a namespace that is in
    :attr:`prefixes`.
    """

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self.prefixes: dict[str, str] = {}

    def __call__(self, namespace: str, jti: str) -> int:
        """Return the digest of a pair."""
        return hash((self.prefixes.get(namespace) or self._add_prefix(namespace)) + jti)

    def _add_prefix(self, namespace: str) -> str:
        if len(self.prefixes) >= MAX_NAMESPACES:
            self.prefixes.clear()
        text = namespace.encode("utf-8", "surrogatepass")
        made = b64encode(blake2b(text, digest_size=PREFIX_SIZE, key=self._key).digest())
        return self.prefixes.setdefault(namespace, made.decode())


class Blake2Digest:
    """A digest function made of keyed BLAKE2b (RFC 7693)."""

    def __init__(self) -> None:
        self._key = os.urandom(32)

    def __call__(self, namespace: str, jti: str) -> int:
        """Return the digest of a pair."""
        text = f"{len(namespace)}:{namespace}{jti}".encode("utf-8", "surrogatepass")
        digest = blake2b(text, digest_size=DIGEST_SIZE, key=self._key).digest()
        return int.from_bytes(digest, "big", signed=True)
