"""Judge the access token of a request, bound to the key of its proof (RFC 9449 7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jti_replay.exceptions import TokenInvalid
from jti_replay.kinds.dpop_credentials import access_token
from jti_replay.steps import Steps
from jti_replay.tokens.claims import unexpected_event

if TYPE_CHECKING:
    from django.http import HttpRequest

    from jti_replay.profiles.access_token import AccessTokenJudge

Claims = Mapping[str, Any]


def judge_access_token(judge: AccessTokenJudge, request: HttpRequest) -> Steps[Claims]:
    """
    Return the claims of the access token of a request.

    Raises :exc:`~jti_replay.TokenInvalid` if it is not good, or bound to another key, and
    :exc:`~jti_replay.KeysUnavailable` if that cannot be told.
    """
    try:
        claims: Claims = yield judge.claims, judge.aclaims, (access_token(request), request)
        if "events" in claims:
            raise unexpected_event()
        _check_binding(claims, request.dpop_jkt)  # type: ignore[attr-defined]
    except TokenInvalid as error:
        raise _refused(error) from error
    return claims


def judge_access_token_again(judge: AccessTokenJudge, claims: Claims) -> None:
    """Judge a good access token once more, after a wait."""
    try:
        judge.check_again(claims)
    except TokenInvalid as error:
        raise _refused(error) from error


def _check_binding(claims: Claims, jkt: str) -> None:
    confirmation = claims.get("cnf")
    if not isinstance(confirmation, Mapping) or "jkt" not in confirmation:
        raise TokenInvalid("The access token is not bound to a key (cnf.jkt).", claim="cnf")
    if confirmation["jkt"] != jkt:
        raise TokenInvalid("The access token is bound to another key (cnf.jkt).", claim="cnf")


def _refused(error: TokenInvalid) -> TokenInvalid:
    return TokenInvalid(
        str(error),
        code=error.code or "invalid_token",
        claim=error.claim,
        detail=f"It is the access token. {error.detail}".rstrip(),
    )
