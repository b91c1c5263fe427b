"""The token of a request (RFC 6750 2.1), and the answers to one that is refused (3, 3.1)."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from django.http import JsonResponse

from jti_replay.exceptions import ColdStart, TokenError, TokenInvalid, TokenMissing

if TYPE_CHECKING:
    from django.http import HttpRequest

RETRY_AFTER = 5
"""Seconds after which a client may try again when the trouble is the server's."""

# The alphabet of b64token in RFC 6750 2.1. It has no comma, which is what servers join two
# headers of one name with.
CREDENTIALS = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE | re.ASCII)
SCHEME = re.compile(r"bearer\b", re.IGNORECASE)

# What an error_description in a header may not hold (RFC 6750 3). A key function of the
# project may have written it.
UNFIT_FOR_HEADER = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


def bearer_token(request: HttpRequest) -> str:
    """
    Return the token in the ``Authorization`` header, the only place where it is looked for.

    Raises :exc:`~jti_replay.TokenMissing` if there is none, and
    :exc:`~jti_replay.TokenInvalid` if the header holds anything but one token.
    """
    header = request.META.get("HTTP_AUTHORIZATION", "").strip()
    found = CREDENTIALS.fullmatch(header)
    if found:
        return found[1]
    if SCHEME.match(header) and header[len("bearer") :].strip():
        raise TokenInvalid("The Authorization header does not hold exactly one token.")
    raise TokenMissing("No token was sent. Send one as 'Authorization: Bearer'.")


def refuse(error: Exception) -> JsonResponse:
    """
    Return the answer to a request whose token is refused, or cannot be judged at present.

    What a :exc:`~jti_replay.TokenError` says goes to the client. What went wrong on the
    server stays in its log.
    """
    if isinstance(error, TokenError):
        return _unauthorized(error)
    description, seconds = "The token cannot be judged now. Try again later.", RETRY_AFTER
    if isinstance(error, ColdStart):
        description = (
            "The token was issued before this server can vouch for it. Try again later, with a "
            "new token."
        )
        seconds = max(1, math.ceil(error.retry_after))
    response = JsonResponse(
        {"error": "temporarily_unavailable", "error_description": description}, status=503
    )
    response["Retry-After"] = str(seconds)
    response["Cache-Control"] = "no-store"
    return response


def _unauthorized(error: TokenError) -> JsonResponse:
    description = str(error)
    if isinstance(error, TokenMissing):
        # A client that sent no token learns the scheme, and no error code (RFC 6750 3.1).
        code, challenge = "missing_token", "Bearer"
    else:
        code = "invalid_token"
        quoted = UNFIT_FOR_HEADER.sub("?", description)
        challenge = f'Bearer error="{code}", error_description="{quoted}"'
    response = JsonResponse({"error": code, "error_description": description}, status=401)
    response["WWW-Authenticate"] = challenge
    response["Cache-Control"] = "no-store"
    return response
