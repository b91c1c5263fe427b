"""The claims of a token: issuer, audience, times and jti (RFC 7519 4.1)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from jti_replay.exceptions import TokenInvalid

from .quoting import listed, shown
from .rules import TokenRules

EARLIEST, LATEST = -62135596800, 253402300799
"""The first and the last second that a datetime can hold, as NumericDates (RFC 7519 2)."""

EXPIRED = "The token has expired."
"""The refusal of a token whose time is over."""


def check_issuer(claims: Mapping[str, Any], rules: TokenRules) -> None:
    """
    Raise :exc:`~jti_replay.TokenInvalid` unless the issuer is accepted (RFC 7519 4.1.1), and
    :exc:`~jti_replay.KeysUnavailable` if that cannot be told.
    """
    issuers = rules.issuers
    if "iss" not in claims:
        if issuers is None:
            return
        raise TokenInvalid(
            "The token has no iss claim.", claim="iss", detail=f"ISSUER accepts {issuers}."
        )
    iss = claims["iss"]
    if not isinstance(iss, str):
        raise TokenInvalid(
            "The issuer of the token (iss) is not a string.",
            claim="iss",
            detail=f"It is {shown(iss)}.",
        )
    if issuers is not None and not issuers.accepts(iss):
        raise TokenInvalid(
            "The token is from another issuer.",
            claim="iss",
            detail=f"Its iss is {shown(iss)}. ISSUER accepts {issuers}.",
        )


def check_audience(claims: Mapping[str, Any], rules: TokenRules) -> None:
    """
    Raise :exc:`~jti_replay.TokenInvalid` unless the token is for one of the audiences, if
    the rules name any (RFC 7519 4.1.3).
    """
    audiences = rules.audiences
    if not audiences:
        return
    if "aud" not in claims:
        raise TokenInvalid(
            "The token has no aud claim.",
            claim="aud",
            detail=f"AUDIENCE accepts {listed(audiences)}.",
        )
    aud = claims["aud"]
    if aud in audiences:
        return
    named = [aud] if isinstance(aud, str) else aud
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        raise TokenInvalid(
            "The audience of the token (aud) is not a string or a list of strings.",
            claim="aud",
            detail=f"It is {shown(aud)}.",
        )
    if not any(each in audiences for each in named):
        raise TokenInvalid(
            "The token is for another audience.",
            claim="aud",
            detail=f"Its aud is {shown(aud)}. AUDIENCE accepts {listed(audiences)}.",
        )


def unexpected_event() -> TokenInvalid:
    """Return the refusal of a security event as another kind of token (RFC 8417 4.3)."""
    return TokenInvalid("The token is a security event (events).", claim="events")


def check_times(claims: Mapping[str, Any], rules: TokenRules, now: float) -> float:
    """
    Raise :exc:`~jti_replay.TokenInvalid` unless the token is in force at ``now``, lives no
    longer and is no older than the rules allow (RFC 7519 4.1.4 to 4.1.6).

    Return the moment from which on it has to be judged again. All moments are in seconds
    since 1970. Compare them after every wait.
    """
    exp, iat, nbf = _time(claims, "exp"), _time(claims, "iat"), _time(claims, "nbf")
    leeway, good_until = rules.leeway, math.inf
    if exp is None:
        if rules.requires_exp:
            raise TokenInvalid("The token has no expiry time (exp).", claim="exp")
    elif exp + leeway <= now:
        raise TokenInvalid(
            EXPIRED,
            claim="exp",
            detail=f"Its exp was {now - exp:.0f} s ago. LEEWAY is {leeway:g} s.",
        )
    else:
        good_until = exp + leeway
    for name, time in (("iat", iat if rules.judges_iat else None), ("nbf", nbf)):
        if time is not None and time > now + leeway:
            text = "The token is not valid yet."
            if name == "iat" and rules.max_age is not None:
                ahead = f"{time - now:.0f} s ahead"
                text = f"The token is not valid yet (iat): its clock is {ahead}."
            raise TokenInvalid(
                text,
                claim=name,
                detail=f"Its {name} is {time - now:.0f} s ahead. LEEWAY is {leeway:g} s.",
            )
    if exp is not None and rules.max_lifetime is not None:
        _check_lifetime(exp, iat, rules.max_lifetime, leeway, now)
    if rules.max_age is not None:
        good_until = min(good_until, _check_age(iat, rules.max_age, leeway, now))
    return good_until


def _check_lifetime(
    exp: float, iat: float | None, longest: float, leeway: float, now: float
) -> None:
    if exp - now > longest + leeway:
        lifetime = f"It has {exp - now:.0f} s to go"
    elif iat is not None and exp - iat > longest:
        lifetime = f"From iat to exp it lives {exp - iat:.0f} s"
    else:
        return
    raise TokenInvalid(
        f"The token lives longer than {longest:g} seconds.",
        claim="exp",
        detail=f"{lifetime}. MAX_LIFETIME is {longest:g} s.",
    )


def _check_age(iat: float | None, oldest: float, leeway: float, now: float) -> float:
    if iat is None:
        raise TokenInvalid("The token has no time of issue (iat).", claim="iat")
    if iat + oldest + leeway < now:
        # A client whose clock is wrong learns by how much. That helps no attacker.
        raise TokenInvalid(
            f"The token is too old (iat): by its clock it was made {now - iat:.0f} s ago.",
            claim="iat",
            detail=f"MAX_AGE is {oldest:g} s, LEEWAY {leeway:g} s.",
        )
    return iat + oldest + leeway


def jti_of(claims: Mapping[str, Any], signing_input: bytes, rules: TokenRules) -> str:
    """
    Return by what a token is known: its JWT ID (RFC 7519 4.1.7), or the SHA-256 of
    what was signed where the rules say so. It is empty where they ask for none.

    The signature is not part of it: many texts can be signatures of one token. Raises
    :exc:`~jti_replay.TokenInvalid`.
    """
    if rules.jti == "ignored":
        return ""
    if "jti" not in claims:
        if rules.jti == "digest":
            return f"sha-256:{hashlib.sha256(signing_input).hexdigest()}"
        raise TokenInvalid(
            "The token has no JWT ID (jti).",
            claim="jti",
            detail="JTI 'digest' accepts such tokens.",
        )
    jti = claims["jti"]
    if not isinstance(jti, str):
        raise TokenInvalid(
            "The JWT ID of the token (jti) is not a string.",
            claim="jti",
            detail=f"It is {'null' if jti is None else f'of type {type(jti).__name__}'}.",
        )
    if not jti:
        raise TokenInvalid("The JWT ID of the token (jti) is empty.", claim="jti")
    return jti


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    # Lenient readers take "1700000000", true and 1e300 for times. They are no NumericDate
    # that any issuer means, and the last one no clock can reach. Sums of large ones overflow.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TokenInvalid(
            f"The claim {name} is not a number of seconds.",
            claim=name,
            detail=f"It is {shown(value)}.",
        )
    if not EARLIEST <= value <= LATEST:
        raise TokenInvalid(
            f"The claim {name} is not a time.", claim=name, detail=f"It is {shown(value)}."
        )
    return value
