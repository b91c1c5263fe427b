"""
The names of what is kept in a Redis.

They must never change: while hosts of two releases run side by side, each would not see what
the other one has reserved.
"""

from __future__ import annotations

MARKER = b"since"
"""How the name of a marker ends. That of an entry ends with a digest, which is longer."""


class Keys:
    """The keys of one server: the prefix, and then the digest."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix.encode()

    def entry(self, digest: bytes) -> bytes:
        """Return the key of a digest."""
        return self._place(digest) + digest

    def marker(self, digest: bytes) -> bytes:
        """Return the key of the marker that stands beside the entry of a digest."""
        return self._place(digest) + MARKER

    def markers(self) -> list[bytes]:
        """Return the keys of all markers."""
        return [self.prefix + MARKER]

    def _place(self, digest: bytes) -> bytes:
        return self.prefix


class ClusterKeys(Keys):
    """
    The keys of a cluster, which are spread over it by a hash tag: the first byte of the digest
    in hexadecimal. A marker lies in the slot of each of these, 256 in all.
    """

    def markers(self) -> list[bytes]:
        """Return the keys of all markers."""
        return [self.marker(bytes([first])) for first in range(256)]

    def _place(self, digest: bytes) -> bytes:
        return b"%b{%02x}" % (self.prefix, digest[0])
