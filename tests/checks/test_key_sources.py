"""System checks of the sources of keys, and whether the algorithms fit them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage

from tests.tokens.keypairs import keypair

from .configurations import SECRET, ids

Check = Callable[..., list[CheckMessage]]


URL = "https://issuer.example/.well-known/jwks"


def test_there_must_be_a_source_of_keys(check_profile: Check) -> None:
    [message] = check_profile(KEY=..., ISSUER=...)
    assert ids([message]) == ["E009"]


def test_there_must_not_be_two(check_profile: Check) -> None:
    [message] = check_profile(JWKS_URL=URL)
    assert ids([message]) == ["E010"]


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/jwks",
        "http://10.0.0.1/jwks",
        "http://0.0.0.0/jwks",
        "http://128.0.0.1/jwks",
        "http://localhost.evil.example/jwks",
        "http://127.0.0.1.evil.example/jwks",
        "http://127.0.0.1@evil.example/jwks",
        "http://user:127.0.0.1@evil.example",
        "http://2130706433/jwks",
        "http://[::2]/jwks",
        "http:///jwks",
        "https://",
        "https:///jwks",
        "https://issuer.example:port/jwks",
        "https://issuer.example:99999/jwks",
        "https://issuer.example:0/jwks",
        "https://[::1",
        "ftp://issuer.example/jwks",
        "file:///etc/jwks.json",
        "data:application/json,{}",
        "javascript:alert(1)",
        "//issuer.example/jwks",
        "issuer.example/jwks",
        "/jwks",
        "",
        " ",
    ],
)
def test_keys_must_come_by_https(check_profile: Check, url: str) -> None:
    [message] = check_profile(KEY=..., JWKS_URL=url, ALGORITHMS=["RS256"])
    assert ids([message]) == ["E011"]
    assert "https" in str(message.hint)


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example:8443/jwks?v=1",
        "HTTPS://ISSUER.EXAMPLE/jwks",
        "https://10.0.0.1/jwks",
        "http://localhost/jwks",
        "http://localhost:8000/jwks",
        "http://LOCALHOST/jwks",
        "http://127.0.0.1:8000/jwks",
        "http://127.1.2.3/jwks",
        "http://[::1]:8000/jwks",
    ],
)
def test_or_from_this_machine(check_profile: Check, url: str) -> None:
    assert check_profile(KEY=..., JWKS_URL=url, ALGORITHMS=["RS256"]) == []


@pytest.mark.parametrize("url", [None, 7, True, [URL], b"https://issuer.example", {}])
def test_jwks_url_must_be_a_str(check_profile: Check, url: Any) -> None:
    assert ids(check_profile(KEY=..., JWKS_URL=url, ALGORITHMS=["RS256"])) == ["E001"]


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        ("", ["HS256"]),
        ("short", ["HS256"]),
        (SECRET, ["HS512"]),
        (SECRET, ["RS256"]),
        (keypair("RS256").pem(), ["HS256"]),
        (keypair("RS256").pem(), ["HS256", "RS256"]),
        (keypair("RS256").pem(), ["ES256"]),
        (keypair("ES256").pem(), ["ES384"]),
        (keypair("ES256").private_pem(), ["ES256"]),
        (None, ["HS256"]),
        (7, ["HS256"]),
        ([SECRET], ["HS256"]),
        ({"kty": "oct"}, ["HS256"]),
        (bytearray(40), ["HS256"]),
        ("no.such.module", ["HS256"]),
        ("tests.tokens.key_functions.no_such_function", ["HS256"]),
        ("tests.tokens.key_functions.NOT_CALLABLE", ["HS256"]),
        ("tests.tokens.broken_module.function", ["HS256"]),
    ],
)
def test_the_key_must_fit_all_algorithms(
    check_profile: Check, key: Any, algorithms: list[str]
) -> None:
    [message] = check_profile(KEY=key, ALGORITHMS=algorithms)
    assert ids([message]) == ["E013"]
    assert SECRET not in message.msg


def test_published_keys_are_no_secrets(check_profile: Check) -> None:
    messages = check_profile(KEY=..., JWKS_URL=URL, ALGORITHMS=["RS256", "HS256"])
    assert ids(messages) == ["E013"]


def test_what_cannot_be_judged_is_left_out(check_profile: Check) -> None:
    """Whether a key fits algorithms that there are not."""
    assert ids(check_profile(KEY="short", ALGORITHMS="HS256")) == ["E008"]
    assert ids(check_profile(KEY=..., JWKS_URL=URL, ALGORITHMS=[])) == ["E008"]


@pytest.mark.parametrize("secret", ["a secret that is too short", b"bytes too short"])
def test_no_message_shows_the_key(check_profile: Check, secret: Any) -> None:
    text = secret if isinstance(secret, str) else secret.decode()
    for algorithm in ("HS256", "RS256", "ES256", "EdDSA"):
        for message in check_profile(KEY=secret, ALGORITHMS=[algorithm]):
            assert text not in str(message)
