"""The answers to requests that do not reach the view, and what the log says of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.http import HttpResponseBase, HttpResponseNotAllowed

from jti_replay.exceptions import (
    JTIReplayError,
    KeysUnavailable,
    TokenError,
    TokenReplayed,
)

if TYPE_CHECKING:
    from django.http import HttpRequest

    from jti_replay.kinds import BaseKind

logger = logging.getLogger("jti_replay")


def refuse(kind: BaseKind, request: HttpRequest, error: JTIReplayError) -> Any:
    """Return the answer of a kind to a request whose token is refused or cannot be judged."""
    _log(kind, error)
    response: HttpResponseBase
    if kind.methods is not None and request.method not in kind.methods:
        response = HttpResponseNotAllowed(kind.methods)
    elif isinstance(error, TokenReplayed):
        response = kind.replayed(request)
    elif isinstance(error, TokenError):
        response = kind.refuse(request, error)
    else:
        response = kind.unavailable(request, error)
    return finish(kind, request, response)


def finish(kind: BaseKind, request: HttpRequest, response: Any) -> Any:
    """
    Return an answer as it goes out: no cache may show it for a token that has been used.

    Below a framework's own decorator a view may return what the framework makes an answer of.
    """
    if not isinstance(response, HttpResponseBase):
        request._cache_update_cache = False  # type: ignore[attr-defined]  # Django's cache.
        return response
    response = kind.finish(request, response)
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response


def _log(kind: BaseKind, error: JTIReplayError) -> None:
    if isinstance(error, KeysUnavailable):
        logger.error("The profile %r cannot judge a token: %s", kind.profile, error)
    elif isinstance(error, TokenError) and not isinstance(error, TokenReplayed):
        logger.info("Refused a token: profile=%r: %s", kind.profile, error.explanation)
    # A failure of the store and a replay have been logged where they were noticed.
