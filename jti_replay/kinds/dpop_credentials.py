"""The access token and the proof in the headers of a request (RFC 9449 4.1, 7.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jti_replay.exceptions import RequestInvalid, TokenInvalid, TokenMissing

if TYPE_CHECKING:
    from django.http import HttpRequest

# token68 of RFC 9110 11.2 has no comma, which is what servers join two headers of one name
# with.
TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
CREDENTIALS = re.compile(rf"dpop +({TOKEN68.pattern})", re.ASCII | re.IGNORECASE)
OWN_SCHEME = re.compile(r"dpop +\S", re.ASCII | re.IGNORECASE)
SEVERAL = re.compile(r"(?:^|,)\s*(?:dpop|bearer) ", re.ASCII | re.IGNORECASE)


def proof(request: HttpRequest) -> str | None:
    """
    Return the proof in the ``DPoP`` header, or None if there is none.

    Raises :exc:`~jti_replay.TokenInvalid` for anything but one token.
    """
    header = request.META.get("HTTP_DPOP")
    if header is None:
        return None
    found = header.strip(" \t")
    if TOKEN68.fullmatch(found):
        return found  # type: ignore[no-any-return]
    raise TokenInvalid("The DPoP header does not hold exactly one proof.")


def access_token(request: HttpRequest) -> str:
    """
    Return the access token after ``Authorization: DPoP``.

    Raises :exc:`~jti_replay.TokenMissing` if there is none, and
    :exc:`~jti_replay.RequestInvalid` if there is more than one.
    """
    header = request.META.get("HTTP_AUTHORIZATION", "").strip(" \t")
    found = CREDENTIALS.fullmatch(header)
    if found:
        return found[1]
    if OWN_SCHEME.search(header) and len(SEVERAL.findall(header)) > 1:
        raise RequestInvalid("The Authorization header holds more than one token.")
    if OWN_SCHEME.match(header):
        raise TokenInvalid(
            "The Authorization header does not hold exactly one token.", code="invalid_token"
        )
    raise TokenMissing("No access token was sent. Send one as 'Authorization: DPoP'.")
