"""Verify tokens against rules: header, signature, issuer, audience, times and jti."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from jti_replay.exceptions import KeysUnavailable, TokenInvalid

from .algorithms import accepted
from .claims import check_audience, check_issuer, check_times, jti_of
from .header_key import key_in_header, unusable_key
from .parsing import UnverifiedToken, read_unverified
from .quoting import listed, shown
from .rules import TokenRules
from .signatures import check_signature


class VerifiedToken(NamedTuple):
    """
    What a good token says: its header, its claims, and the ``jti`` by which it is known,
    which is the claim or, under the rule ``"digest"``, the digest of what was signed. Until
    ``good_until``, in seconds since 1970, its times need not be judged again.
    """

    header: dict[str, Any]
    claims: dict[str, Any]
    jti: str
    good_until: float


def verify(token: str, rules: TokenRules) -> VerifiedToken:
    """
    Return what a token says that the rules accept. Nothing is reserved.

    Raises :exc:`~jti_replay.TokenInvalid` if the rules do not accept the token, and
    :exc:`~jti_replay.KeysUnavailable` if that cannot be told.
    """
    unverified = _read(token, rules)
    keys = key_in_header(unverified) if rules.keys is None else rules.keys.get(unverified)
    return _judge(unverified, keys, rules)


async def averify(token: str, rules: TokenRules) -> VerifiedToken:
    """Async version of :func:`verify`. It does not block the event loop."""
    unverified = _read(token, rules)
    if rules.keys is None:
        keys = key_in_header(unverified)
    else:
        keys = await rules.keys.aget(unverified)
    return _judge(unverified, keys, rules)


def _read(token: str, rules: TokenRules) -> UnverifiedToken:
    """Read a token, and judge by what it says what costs nothing, before any key is had."""
    unverified = read_unverified(token)
    header = unverified.header
    alg = header.get("alg")
    if alg not in accepted(rules.algorithms):
        raise TokenInvalid(
            "The token is signed with an algorithm that is not accepted.",
            claim="alg",
            detail=f"Its alg is {shown(alg)}. ALGORITHMS accepts {listed(rules.algorithms)}.",
        )
    typ = header.get("typ")
    if not rules.types.accepts(typ):
        raise TokenInvalid(
            "The token is of a type that is not accepted (typ).",
            claim="typ",
            detail=f"Its typ is {shown(typ)}. TYP or the KIND accepts {rules.types}. "
            f"{rules.types.note}",
        )
    check_issuer(unverified.claims, rules)
    return unverified


def _judge(unverified: UnverifiedToken, keys: Any, rules: TokenRules) -> VerifiedToken:
    try:
        check_signature(unverified, keys, rules.algorithms)
    except KeysUnavailable as error:
        if rules.keys is not None:
            raise
        raise unusable_key(str(error)) from error  # The token brought it.
    claims = unverified.claims
    check_audience(claims, rules)
    good_until = check_times(claims, rules, time.time())
    jti = jti_of(claims, unverified.signing_input, rules)
    return VerifiedToken(unverified.header, claims, jti, good_until)
