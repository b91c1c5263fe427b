"""The locations of published keys: a URL, or what a discovery document names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from .deadlines import Deadline
from .fetch import FetchError, fetch_json
from .jwks_options import JwksOptions
from .quoting import shown
from .urls import host_of, is_loopback, is_trustworthy, origin_of

DOCUMENT = "/.well-known/openid-configuration"


class KeysLocation(Protocol):
    """Where keys are published. Its text is how messages name it."""

    def fetch(self, deadline: Deadline) -> Any:
        """Return the published keys. Raises :exc:`FetchError`, or what ``headers`` raise."""


@dataclass(frozen=True, slots=True)
class JwksUrl:
    """The URL of a JWK Set."""

    url: str
    options: JwksOptions

    def __str__(self) -> str:
        return self.url

    def fetch(self, deadline: Deadline) -> Any:
        """Return the keys of the set."""
        return _keys(self.url, deadline, self.options, _headers(self.options))


@dataclass(frozen=True, slots=True)
class DiscoveredIssuer:
    """An issuer whose discovery document names its JWK Set (OpenID Connect Discovery 4)."""

    issuer: str
    options: JwksOptions

    def __str__(self) -> str:
        return self.document

    @property
    def document(self) -> str:
        """The URL of its discovery document."""
        return self.issuer.removesuffix("/") + DOCUMENT

    def check(self) -> None:
        """Raise :exc:`FetchError` unless it has a document whose answer can be believed."""
        try:
            parts = urlsplit(self.issuer)
        except ValueError as error:
            raise FetchError("It is no URL.") from error
        if "?" in self.issuer or "#" in self.issuer or "@" in parts.netloc:
            raise FetchError("An issuer has no user, query or fragment.")
        if not is_trustworthy(self.issuer, allow_http=self.options.allow_http):
            raise FetchError(
                "It is no https URL. Plain http is for loopback addresses, or with "
                "JWKS_OPTIONS allow_http."
            )

    def fetch(self, deadline: Deadline) -> Any:
        """Return the keys of the set that the document names."""
        headers = _headers(self.options)
        document = fetch_json(
            self.document, deadline, headers=headers, cafile=self.options.cafile
        )
        if not isinstance(document, dict):
            raise FetchError("The discovery document is no JSON object.")
        if document.get("issuer") != self.issuer:
            raise FetchError(
                f"The discovery document is that of {shown(document.get('issuer'))}, not of "
                f"{shown(self.issuer)}. Both must be the same text."
            )
        url = document.get("jwks_uri")
        if not isinstance(url, str) or not self._may_name(url):
            raise FetchError(
                f"Its jwks_uri is {shown(url)}, which is no https URL that it may name."
            )
        if origin_of(url) != origin_of(self.issuer):
            headers = {}  # They may be credentials, which are for the issuer alone.
        return _keys(url, deadline, self.options, headers)

    def _may_name(self, url: str) -> bool:
        if not is_trustworthy(url, allow_http=self.options.allow_http):
            return False
        # An issuer elsewhere has no say over what this machine serves to itself.
        return not is_loopback(host_of(url)) or is_loopback(host_of(self.issuer))


def _headers(options: JwksOptions) -> Mapping[str, str]:
    headers = options.headers() if callable(options.headers) else options.headers
    if headers is None:
        return {}
    if problem := problem_of_headers(headers):
        raise FetchError(f"The headers of JWKS_OPTIONS {problem}.")
    return headers


def problem_of_headers(headers: Any) -> str | None:
    """Return why headers cannot be sent, without showing their values, or None if they can."""
    if not isinstance(headers, Mapping):
        return f"are no dict but of type {type(headers).__name__}"
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            return "are no dict of str"
        if not name or not f"{name}{value}".isascii() or not f"{name}{value}".isprintable():
            return f"have one that cannot be sent: {shown(name)}"
    return None


def _keys(
    url: str, deadline: Deadline, options: JwksOptions, headers: Mapping[str, str]
) -> Any:
    document = fetch_json(url, deadline, headers=headers, cafile=options.cafile)
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not keys:
        raise FetchError("The answer is no JWK Set, or an empty one.")
    return keys
