"""The origins of URLs (RFC 6454 4)."""

from __future__ import annotations

import pytest

from jti_replay.tokens.urls import origin_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://issuer.example/a", "https://issuer.example:443/b?c"),
        ("http://issuer.example/a", "http://issuer.example:80"),
        ("https://issuer.example:8443", "https://issuer.example:8443/a"),
        ("https://issuer.example", "HTTPS://ISSUER.EXAMPLE"),
    ],
)
def test_urls_of_one_origin(one: str, other: str) -> None:
    """The usual port may be left out, and the path does not matter."""
    assert origin_of(one) == origin_of(other)


@pytest.mark.parametrize(
    "other",
    [
        "http://issuer.example",
        "https://issuer.example:8443",
        "https://issuer.example:80",
        "https://keys.issuer.example",
    ],
)
def test_urls_of_another_origin(other: str) -> None:
    """Scheme, host and port are compared."""
    assert origin_of("https://issuer.example") != origin_of(other)
