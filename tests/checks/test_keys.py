"""What the system checks say of where a profile's keys come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage

from tests.backends.redis.certificates import write_certificates

from .configurations import ids, profile

Check = Callable[..., list[CheckMessage]]

URL = "https://issuer.example/.well-known/jwks"
HTTP = "http://keycloak:8080/jwks"


@pytest.fixture
def check_options(check_profile: Check) -> Check:
    """Give a function that checks a profile with these JWKS_OPTIONS."""

    def check_options(options: Any, **changes: Any) -> list[CheckMessage]:
        good = {"KEY": ..., "JWKS_URL": URL, "ALGORITHMS": ["RS256"]}
        return check_profile(**good | changes, JWKS_OPTIONS=options)

    return check_options


def headers() -> dict[str, str]:
    return {"Authorization": "Bearer key"}


async def async_headers() -> dict[str, str]:
    return {}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"headers": {"Authorization": "Bearer key"}},
        {"headers": {}},
        {"headers": headers},
        {"headers": f"{__name__}.headers"},
        {"timeout": 0.5, "lifespan": 60, "max_stale": 0},
        {"max_stale": 3600},
        {"allow_http": False},
        {"allow_http": True},
    ],
)
def test_good_options_are_good(check_options: Check, options: dict[str, Any]) -> None:
    """Also allow_http without any http URL."""
    assert check_options(options) == []
    assert check_options(options, JWKS_URL=...) == []


@pytest.mark.parametrize("options", [None, 7, "headers", [], {"headers"}])
def test_options_must_be_a_dict(check_options: Check, options: Any) -> None:
    [message] = check_options(options)
    assert ids([message]) == ["E001"]
    assert "JWKS_OPTIONS" in message.msg


@pytest.mark.parametrize(
    ("option", "nearest"),
    [
        ("header", "headers"),
        ("HEADERS", "headers"),
        ("ca_file", "cafile"),
        ("timeouts", "timeout"),
        ("life_span", "lifespan"),
        ("maxstale", "max_stale"),
        ("allow_https", "allow_http"),
    ],
)
def test_an_unknown_option_is_named_with_the_nearest(
    check_options: Check, option: str, nearest: str
) -> None:
    [message] = check_options({option: 1})
    assert ids([message]) == ["E002"]
    assert message.hint == f"Did you mean {nearest!r}?"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"timeout": "5"}, "E001"),
        ({"lifespan": None}, "E001"),
        ({"max_stale": True}, "E001"),
        ({"timeout": 0}, "E007"),
        ({"lifespan": 0}, "E007"),
        ({"timeout": -1}, "E007"),
        ({"max_stale": -1}, "E007"),
        ({"max_stale": float("inf")}, "E007"),
        ({"allow_http": 1}, "E001"),
        ({"allow_http": "yes"}, "E001"),
        ({"headers": None}, "E001"),
        ({"headers": 7}, "E001"),
        ({"headers": ["a"]}, "E001"),
        ({"headers": {"a": 1}}, "E029"),
        ({"headers": {"a": "hidden\n"}}, "E029"),
        ({"headers": {"": "hidden"}}, "E029"),
        ({"headers": {"é": "hidden"}}, "E029"),
        ({"headers": "no.such.function"}, "E029"),
        ({"headers": "tests.tokens.broken_module.function"}, "E029"),
        ({"headers": f"{__name__}.URL"}, "E029"),
        ({"headers": f"{__name__}.async_headers"}, "E029"),
        ({"headers": async_headers}, "E029"),
        ({"cafile": 7}, "E001"),
        ({"cafile": None}, "E001"),
        ({"cafile": "/no/such/file"}, "E029"),
        ({"cafile": __file__}, "E029"),
        ({"cafile": "\0"}, "E029"),
    ],
)
def test_an_option_that_cannot_work_is_refused(
    check_options: Check, options: dict[str, Any], expected: str
) -> None:
    [message] = check_options(options)
    assert ids([message]) == [expected]
    assert next(iter(options)) in message.msg
    assert "hidden" not in str(message)


def test_a_file_of_certificates_is_good(check_options: Check, tmp_path: Path) -> None:
    write_certificates(tmp_path)
    assert check_options({"cafile": str(tmp_path / "ca.pem")}) == []


def test_options_beside_a_key_are_refused(check_profile: Check) -> None:
    [message] = check_profile(JWKS_OPTIONS={})
    assert ids([message]) == ["E031"]


def test_plain_http_is_accepted_if_it_is_meant(
    check_options: Check, check: Callable[..., Any]
) -> None:
    """Check --deploy warns of it."""
    assert ids(check_options({}, JWKS_URL=HTTP)) == ["E011"]
    assert ids(check_options({"allow_http": False}, JWKS_URL=HTTP)) == ["E011"]
    assert check_options({"allow_http": True}, JWKS_URL=HTTP) == []
    meant = profile(KEY=..., JWKS_URL=HTTP, ALGORITHMS=["RS256"])
    meant["JWKS_OPTIONS"] = {"allow_http": True}
    messages = check({"PROFILES": {"default": meant}}, deploy=True)
    assert "W019" in ids(messages)
    assert "W019" not in ids(check({"PROFILES": {"default": profile()}}, deploy=True))


def test_discovery_needs_an_issuer(check_profile: Check) -> None:
    [message] = check_profile(KEY=..., ISSUER=..., ALGORITHMS=["RS256"])
    assert ids([message]) == ["E009"]
    assert "Discovery" in str(message.hint)


def test_keys_that_are_discovered_are_no_secrets(check_profile: Check) -> None:
    algorithms = ["RS256", "HS256"]
    assert ids(check_profile(KEY=..., ALGORITHMS=algorithms)) == ["E013"]
    messages = check_profile(KEY=..., ALGORITHMS=algorithms, ISSUER="http://issuer.example")
    assert ids(messages) == ["W021", "E013"]


@pytest.mark.parametrize("issuer", ["http://issuer.example", "issuer", "accounts.google.com"])
def test_an_issuer_without_a_document_is_warned_of(check_profile: Check, issuer: str) -> None:
    """Its tokens can only be answered 503."""
    issuers = ["https://issuer.example", issuer, "http://127.0.0.1:8000"]
    [message] = check_profile(KEY=..., ISSUER=issuers, ALGORITHMS=["RS256"])
    assert ids([message]) == ["W021"]
    assert repr(issuer) in message.msg
    meant = {"JWKS_OPTIONS": {"allow_http": True}}
    remaining = check_profile(KEY=..., ISSUER=issuers, ALGORITHMS=["RS256"], **meant)
    assert bool(remaining) == (not issuer.startswith("http"))


def test_what_cannot_be_judged_is_left_out(check_profile: Check) -> None:
    """Whether the keys of a wrong issuer could be found."""
    assert ids(check_profile(KEY=..., ISSUER=7, ALGORITHMS=["RS256"])) == ["E001"]
    assert ids(check_profile(KEY=..., ISSUER=[7], ALGORITHMS=["RS256"])) == ["E001"]
    function = "tests.tokens.issuer_functions.customers"
    assert check_profile(KEY=..., ISSUER=function, ALGORITHMS=["RS256"]) == []
    wrong = {"JWKS_OPTIONS": {"timeout": 0}, "ISSUER": "http://issuer.example"}
    assert ids(check_profile(KEY=..., ALGORITHMS=["HS256"], **wrong)) == ["E007"]
