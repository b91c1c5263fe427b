"""What the claims of a token must say, beyond what PyJWT sees to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jti_replay.exceptions import TokenInvalid
from jti_replay.reservation.retention import EARLIEST, LATEST


def check_times(
    claims: Mapping[str, Any], *, now: float, leeway: float, max_lifetime: float
) -> None:
    """
    Raise :exc:`~jti_replay.TokenInvalid` unless the token is in force at ``now`` and lives
    no longer than ``max_lifetime`` (all in seconds; RFC 7519 4.1.4 to 4.1.6).
    """
    exp, iat, nbf = _time(claims, "exp"), _time(claims, "iat"), _time(claims, "nbf")
    if exp is None:
        raise TokenInvalid("The token has no expiry time (exp).")
    if exp + leeway <= now:
        raise TokenInvalid("The token has expired.")
    latest = now + leeway
    if (iat is not None and iat > latest) or (nbf is not None and nbf > latest):
        raise TokenInvalid("The token is not valid yet.")
    if exp - now > max_lifetime + leeway or (iat is not None and exp - iat > max_lifetime):
        raise TokenInvalid(f"The token lives longer than {max_lifetime:g} seconds.")


def check_identity(claims: Mapping[str, Any]) -> None:
    """
    Raise :exc:`~jti_replay.TokenInvalid` unless there is a JWT ID (RFC 7519 4.1.7), and the
    issuer, within which it is unique, is a string where there is one (4.1.1).
    """
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti:
        raise TokenInvalid("The token has no JWT ID (jti).")
    if not isinstance(claims.get("iss", ""), str):
        raise TokenInvalid("The issuer of the token (iss) is not a string.")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    # PyJWT takes "1700000000", True and 1e300 for times. They are no NumericDate that any
    # issuer means, and the last one no clock can reach. Sums of large ones overflow.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenInvalid(f"The claim {name} is not a number of seconds.")
    if not EARLIEST <= value <= LATEST:
        raise TokenInvalid(f"The claim {name} is not a time.")
    return value
