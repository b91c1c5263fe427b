"""
URIs in the form in which they are compared (RFC 3986 6.2.2, 6.2.3).

Case, percent-encoding, dot segments, the port of the scheme and an empty path do not matter.
Query and fragment are dropped.
"""

from __future__ import annotations

import re
from functools import lru_cache

CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*", re.ASCII)
"""All that a URI may hold (RFC 3986 2)."""

PARTS = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:[?#].*)?", re.ASCII | re.IGNORECASE)
AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]@]+)(?::([0-9]{0,5}))?", re.ASCII)
PERCENT = re.compile(r"%([0-9A-Fa-f]{2})?", re.ASCII)
UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]", re.ASCII)
DEFAULT_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=256)  # A site has few URIs, and each proof is asked for its own twice.
def normalized_uri(uri: str) -> str:
    """
    Return an http or https URI without query and fragment, in its normal form.

    Raises :exc:`ValueError` for a relative one, one with a user, and for what is no URI.
    """
    parts = PARTS.fullmatch(uri) if CHARACTERS.fullmatch(uri) else None
    if parts is None:
        raise ValueError("It is no http or https URI.")
    scheme, authority, path = parts.groups()
    return f"{_origin(scheme.lower(), authority)}{normalized_path(path)}"


def normalized_origin(origin: str) -> str:
    """Return a scheme and host in their normal form. Raises :exc:`ValueError`."""
    parts = PARTS.fullmatch(origin) if CHARACTERS.fullmatch(origin) else None
    if parts is None or parts.end(2) != len(origin):
        raise ValueError("It is no scheme and host.")
    return _origin(parts[1].lower(), parts[2])


def normalized_path(path: str) -> str:
    """Return the path of a URI in its normal form. Raises :exc:`ValueError`."""
    kept: list[str] = []
    segments = _decoded(path).split("/")
    for segment in segments[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return f"/{'/'.join(kept)}"


def _origin(scheme: str, authority: str) -> str:
    parts = AUTHORITY.fullmatch(_decoded(authority).lower())
    if parts is None:
        raise ValueError("It has no host, or a user beside it.")
    host, port = parts[1], int(parts[2] or DEFAULT_PORTS[scheme])
    return (
        f"{scheme}://{host}" if port == DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"
    )


def _decoded(part: str) -> str:
    """Return a part with no percent-encoding but that which it needs, in upper case."""
    return PERCENT.sub(_as_it_needs, part) if "%" in part else part


def _as_it_needs(encoded: re.Match[str]) -> str:
    if encoded[1] is None:
        raise ValueError("A percent sign is not followed by two hex digits.")
    character = chr(int(encoded[1], 16))
    return character if UNRESERVED.fullmatch(character) else encoded[0].upper()
