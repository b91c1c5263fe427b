"""Whether a token is good: signature, issuer, audience, times and jti, by a profile's rules."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import jwt

from jti_replay.exceptions import JTIReplayError, KeysUnavailable, TokenInvalid

from .claims import check_identity, check_times
from .parsing import decode

if TYPE_CHECKING:
    from jti_replay.profiles.profile import Profile

REASONS: tuple[tuple[type[jwt.InvalidTokenError], str], ...] = (
    (jwt.InvalidSignatureError, "The signature of the token is wrong."),
    (jwt.InvalidAlgorithmError, "The token is signed with an algorithm that is not accepted."),
    (jwt.InvalidIssuerError, "The token is from another issuer."),
    (jwt.InvalidAudienceError, "The token is for another audience."),
    (jwt.DecodeError, "The token is malformed."),
)
"""What the client is told. PyJWT's own messages quote the token."""


def verify(token: str, profile: Profile) -> dict[str, Any]:
    """
    Return the claims of a token that the profile accepts. Nothing is reserved.

    Raises :exc:`~jti_replay.TokenInvalid` if it does not, and
    :exc:`~jti_replay.KeysUnavailable` if that cannot be told.
    """
    try:
        return _judge(token, profile.keys.get(token), profile)
    except JTIReplayError:
        raise
    except Exception as error:
        raise _explained(error) from error


async def averify(token: str, profile: Profile) -> dict[str, Any]:
    """Do what :func:`verify` does, without blocking the event loop."""
    try:
        return _judge(token, await profile.keys.aget(token), profile)
    except JTIReplayError:
        raise
    except Exception as error:
        raise _explained(error) from error


def _judge(token: str, key: Any, profile: Profile) -> dict[str, Any]:
    claims = decode(
        token,
        key,
        algorithms=profile.algorithms,
        issuers=profile.issuers,
        audiences=profile.audiences,
    )
    check_times(
        claims, now=time.time(), leeway=profile.leeway, max_lifetime=profile.max_lifetime
    )
    check_identity(claims)
    return claims


def _explained(error: Exception) -> JTIReplayError:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return TokenInvalid(f"The token has no {error.claim} claim.")
    for kind, reason in REASONS:
        if isinstance(error, kind):
            return TokenInvalid(reason)
    if isinstance(error, jwt.InvalidTokenError):
        return TokenInvalid("The token is not valid.")
    # InvalidKeyError, the PyJWK errors and whatever else a key of a wrong kind leads to are
    # about our key, not about the token.
    return KeysUnavailable(f"The key cannot be used: {type(error).__name__}: {error}")
