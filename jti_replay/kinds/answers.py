"""Parts of the answers that several kinds give."""

from __future__ import annotations

import math

from django.http import JsonResponse

from jti_replay.exceptions import ColdStart

RETRY_AFTER = 5
"""Seconds after which a client may try again when the trouble is the server's."""


def json_refusal(status: int, code: str, description: object) -> JsonResponse:
    """Return an OAuth 2.0 error response (RFC 6749 5.2)."""
    response = JsonResponse(
        {"error": code, "error_description": str(description)}, status=status
    )
    response["Cache-Control"] = "no-store"
    return response


def unavailable(error: Exception) -> JsonResponse:
    """
    Return the answer to a request whose token cannot be judged at present.

    What went wrong stays in the log of the server.
    """
    description, seconds = "The token cannot be judged now. Try again later.", RETRY_AFTER
    if isinstance(error, ColdStart):
        description = (
            "The token was issued before this server can vouch for it. Try again later, with a "
            "new token."
        )
        seconds = max(1, math.ceil(error.retry_after))
    response = json_refusal(503, "temporarily_unavailable", description)
    response["Retry-After"] = str(seconds)
    return response
