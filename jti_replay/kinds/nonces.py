"""
Nonces that a server hands out for the next proof (RFC 9449 8), without a store.

A nonce is the moment at which it was made, signed with ``SECRET_KEY``. So all hosts of a site
accept it, as often as it comes, until it is too old.
"""

from __future__ import annotations

import time

from django.core.signing import BadSignature, Signer

from jti_replay.exceptions import NonceRequired

LIFETIME = 300
"""Seconds for which a nonce is good."""


class Nonces:
    """The nonces of one profile. Those of another one are not accepted."""

    def __init__(self, profile: str) -> None:
        self._salt = f"jti_replay.kinds.nonces:{profile}"

    def new(self) -> str:
        """Return a nonce that is good from now on."""
        return self._signer().sign(f"{time.time() * 1000:.0f}")

    def check(self, nonce: object) -> None:
        """
        Accept a nonce of this profile that is not too old. ``SECRET_KEY_FALLBACKS`` are
        accepted as well.

        Raises :exc:`~jti_replay.NonceRequired`.
        """
        if nonce is None:
            raise NonceRequired("The proof has no nonce of this server.", claim="nonce")
        # Django's signer cannot read what is no text, such as half of a surrogate pair.
        if not isinstance(nonce, str) or not nonce.isascii():
            raise _foreign()
        try:
            self._signer().unsign(nonce)
        except BadSignature as error:
            raise _foreign() from error
        if abs(age(nonce)) > LIFETIME:
            raise NonceRequired(
                "The nonce of the proof is too old.",
                claim="nonce",
                detail=f"It was made {age(nonce):.0f} s ago. Nonces are good for {LIFETIME} s.",
            )

    def _signer(self) -> Signer:
        return Signer(salt=self._salt)


def made_at(nonce: str) -> float:
    """Return when a nonce that was accepted was made, in seconds since 1970."""
    return int(nonce.partition(":")[0]) / 1000


def age(nonce: str) -> float:
    """Return for how many seconds there has been a nonce that was accepted."""
    return time.time() - made_at(nonce)


def _foreign() -> NonceRequired:
    return NonceRequired("The nonce of the proof is not of this server.", claim="nonce")
