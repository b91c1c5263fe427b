"""The URI to which a request was sent, which its DPoP proof names (``htu``; RFC 9449 4.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from .uris import normalized_origin, normalized_path

if TYPE_CHECKING:
    from django.http import HttpRequest

IN_PATHS = "/:@!$&'()*+,;="
"""The characters that a path holds as they are, beside those that :func:`quote` keeps."""

ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
"""What stands before the path in a request line to a proxy (RFC 9112 3.2.2)."""


def names_target(uri: str, request: HttpRequest, origins: Iterable[str]) -> bool:
    """
    Return whether a URI in its normal form is the one to which a request was sent.

    ``origins`` are what may stand before its path. None: the request's own scheme and host.
    """
    raw = _raw_path(request)
    if raw is None:
        # Django decodes a path, and what was encoded cannot be told any more.
        *origin, path = uri.split("/", 3)
        uri = "/".join([*origin, quote(unquote(path), safe=IN_PATHS, errors="replace")])
        raw = quote(request.path, safe=IN_PATHS, errors="replace")
    try:
        path = _whole_path(raw, request)
    except ValueError:
        return False  # It cannot stand in a URI.
    return any(uri == f"{origin}{path}" for origin in origins or [own_origin(request)])


def own_origin(request: HttpRequest) -> str:
    """
    Return the scheme and host of a request, as Django tells them.

    Raises :exc:`~django.core.exceptions.DisallowedHost`.
    """
    return normalized_origin(f"{request.scheme}://{request.get_host()}")


def _whole_path(raw: str, request: HttpRequest) -> str:
    """Return the path of a request in its normal form, with the prefix that a proxy took."""
    path = quote(raw.encode("latin-1"), safe=f"{IN_PATHS}%")
    prefix = request.META.get("SCRIPT_NAME", "").rstrip("/")
    if prefix and unquote(path) == request.path_info:
        path = f"{quote(prefix, safe=IN_PATHS)}{path}"
    return normalized_path(path)


def _raw_path(request: HttpRequest) -> str | None:
    """Return the path as it was sent, without the query, if the server tells it."""
    raw: str | bytes | None
    scope = getattr(request, "scope", None)
    if scope is not None:
        raw = scope.get("raw_path")
    else:
        # The one is gunicorn's. The other one is that of uWSGI, mod_wsgi and others.
        raw = request.META.get("RAW_URI") or request.META.get("REQUEST_URI")
    if not raw:
        return None
    uri = raw.decode("latin-1") if isinstance(raw, bytes) else raw
    return re.split("[?#]", ABSOLUTE.sub("", uri, count=1), maxsplit=1)[0]
