"""What a store remembers of a jti: a digest of fixed size, never the jti itself."""

from hashlib import blake2b

DIGEST_SIZE = 16
"""Bytes in a digest: 128 bits, so that a chance collision is out of reach."""

SHORT_DIGEST_LENGTH = 16
"""Hexadecimal digits in the short form that logs and signals carry."""


def jti_digest(namespace: str, jti: str) -> bytes:
    """
    Return the digest of a (namespace, jti) pair, :data:`DIGEST_SIZE` bytes long.

    The length of the namespace goes first, so that no two pairs feed the hash the same
    bytes. ``surrogatepass`` encodes every str, a lone surrogate included, and never two of
    them alike: a jti is a case-sensitive string that is not normalised (RFC 7519 4.1.7).
    """
    scope = namespace.encode("utf-8", "surrogatepass")
    return blake2b(
        b"%d:%b%b" % (len(scope), scope, jti.encode("utf-8", "surrogatepass")),
        digest_size=DIGEST_SIZE,
        person=b"jti_replay",
    ).digest()


def short_digest(digest: bytes) -> str:
    """Return the form of a digest that is fit for logs and signals, in hexadecimal."""
    return digest.hex()[:SHORT_DIGEST_LENGTH]
