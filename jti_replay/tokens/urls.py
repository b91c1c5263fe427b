"""URLs from which keys may come."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_trustworthy(url: str, *, allow_http: bool) -> bool:
    """
    Return whether what a URL answers can be believed: it is https, or plain http to this
    machine, or to any host where ``allow_http`` says that the network is trusted.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or port == 0:
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and (allow_http or is_loopback(host))
    )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(url: str) -> str:
    """Return the host of a URL, or an empty str."""
    return urlsplit(url).hostname or ""


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Return the scheme, host and port of a URL (RFC 6454 4)."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
