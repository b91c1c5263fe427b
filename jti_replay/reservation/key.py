"""What a store knows a jti by."""

from typing import NamedTuple


class JTIKey(NamedTuple):
    """The digest of a (namespace, jti) pair, and the namespace for operators to read."""

    digest: bytes
    namespace: str
