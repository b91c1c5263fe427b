"""The key that a token brings in its own header (``jwk``; RFC 7515 4.1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from jti_replay.exceptions import TokenInvalid

from .parsing import UnverifiedToken
from .published_keys import UnusableKey, read_key
from .signatures import PreparedKey

MOST_BITS = 4096
"""The size of the largest RSA key. Its sender chooses what a verification costs."""


def key_in_header(token: UnverifiedToken) -> Sequence[Any]:
    """
    Return the public key in the header of a token.

    Raises :exc:`~jti_replay.TokenInvalid` for one that cannot be used: its sender chose it.
    """
    if "jwk" not in token.header:
        raise TokenInvalid("The token does not bring its key (jwk).", claim="jwk")
    try:
        published = read_key(token.header["jwk"], secrets=False)
    except UnusableKey as error:
        raise unusable_key(str(error)) from error
    if published is None:
        raise unusable_key("It is for encryption.")
    if published.too_short:
        raise unusable_key(published.too_short)
    if isinstance(published.key, RSAPublicKey) and published.key.key_size > MOST_BITS:
        raise unusable_key(f"It is longer than {MOST_BITS} bits.")
    if token.header["alg"] not in published.algorithms:
        raise TokenInvalid("The token's algorithm does not fit its key.", claim="alg")
    return (PreparedKey(published.key),)


def unusable_key(reason: str) -> TokenInvalid:
    """Return the refusal of a token whose own key verifies nothing."""
    return TokenInvalid(
        "The key in the header of the token (jwk) cannot be used.", claim="jwk", detail=reason
    )
