"""No answer, log line or signal carries the token, however it ends."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from jti_replay import signals
from tests.tokens.doors import knock as sync_knock
from tests.tokens.doors import knock_on_a_new_loop
from tests.tokens.issuer import Issuer
from tests.tokens.keypairs import keypair
from tests.tokens.tokens import CACHES, PROFILE, SECRET, assembled, good_claims, signed

SIGNALS = [
    signals.jti_reserved,
    signals.jti_replayed,
    signals.jti_released,
    signals.cache_failed,
]


@pytest.fixture(params=["sync", "async"])
def knock(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return sync_knock if request.param == "sync" else knock_on_a_new_loop


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []

    def receiver(**kwargs: Any) -> None:
        events.append(kwargs)

    for signal in SIGNALS:
        signal.connect(receiver)
    yield events
    for signal in SIGNALS:
        signal.disconnect(receiver)


def published(settings: Any, url: str) -> None:
    profile = PROFILE | {"JWKS_URL": url, "ALGORITHMS": ["ES256"]}
    del profile["KEY"]
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": profile}}


TOKENS: dict[str, Callable[[], str]] = {
    "good": signed,
    "no JWT": lambda: "this-is-not-a-token-at-all",
    "malformed": lambda: "".join(("eyJhbGciOiJIUzI1NiJ9", ".", "e30x", ".", "c2lnbmF0dXJl")),
    "two tokens": lambda: f"{signed()},{signed()}",
    "wrong signature": lambda: signed(key="x" * 32),
    "wrong algorithm": lambda: signed(key="x" * 64, algorithm="HS512"),
    "unsigned": lambda: signed(key="", algorithm="none"),
    "expired": lambda: signed(exp=1),
    "not yet valid": lambda: signed(nbf=2**37),
    "too long-lived": lambda: signed(exp=2**37),
    "wrong issuer": lambda: signed(iss="https://evil.example"),
    "wrong audience": lambda: signed(aud="https://evil.example"),
    "no jti": lambda: signed(jti=None),
    "jti of a wrong type": lambda: signed(jti=7),
    "no object": lambda: assembled(b'{"alg":"HS256"}', b"[]"),
    "no JSON": lambda: assembled(b'{"alg":"HS256"}', b"{'a': NaN"),
    "unknown key": lambda: keypair("ES256", "unknown").sign(),
}

SETTINGS: dict[str, Callable[[Any], None]] = {
    "works": lambda settings: None,
    "no profile": lambda settings: setattr(settings, "JTI_REPLAY", {"CACHES": CACHES}),
    "wrong cache": lambda settings: setattr(
        settings, "JTI_REPLAY", {"CACHES": {"default": {}}, "PROFILES": {"default": PROFILE}}
    ),
    "key function fails": lambda settings: setattr(
        settings,
        "JTI_REPLAY",
        {
            "CACHES": CACHES,
            "PROFILES": {"default": PROFILE | {"KEY": "tests.tokens.key_functions.failing"}},
        },
    ),
    "keys cannot be had": lambda settings: published(settings, "http://127.0.0.1:1/jwks"),
}


def spoken(value: Any, seen: set[int] | None = None) -> Iterator[str]:
    """Give all text in what a receiver or a log handler is handed, at any depth."""
    seen = set() if seen is None else seen
    if isinstance(value, HttpRequest) or id(value) in seen:
        return  # The request is where the token comes from; who has it has the token.
    seen.add(id(value))
    yield str(value)
    yield repr(value)
    if isinstance(value, BaseException):
        yield from traceback.format_exception(value)
        for more in (*value.args, value.__cause__, value.__context__):
            yield from spoken(more, seen)
    elif isinstance(value, dict):
        for pair in value.items():
            yield from spoken(pair, seen)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from spoken(member, seen)


def assert_silent(token: str, texts: Iterator[str]) -> None:
    secrets = [token, *(part for part in token.split(".") if len(part) > 20), SECRET]
    for text in texts:
        for secret in secrets:
            assert secret not in text


def everything(
    response: Any, caplog: pytest.LogCaptureFixture, told: list[dict[str, Any]]
) -> Iterator[str]:
    yield response.content.decode()
    yield str(response.headers)
    yield caplog.text  # With the text of exc_info and stack_info.
    for record in caplog.records:
        members = vars(record)
        yield from spoken([members[name] for name in members if name != "request"])
    for event in told:
        yield from spoken(event)


@pytest.mark.parametrize("settings_name", SETTINGS)
@pytest.mark.parametrize("name", TOKENS)
def test_the_token_is_nowhere(
    knock: Callable[..., Any],
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    told: list[dict[str, Any]],
    settings_name: str,
    name: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    SETTINGS[settings_name](settings)
    token = TOKENS[name]()
    for _ in range(2):  # The second one may be a replay.
        try:
            answer = knock(token)
        except ImproperlyConfigured as error:
            assert_silent(token, spoken(error))
        else:
            assert_silent(token, everything(answer, caplog, told))


@pytest.mark.usefixtures("store_is_down")
def test_nor_is_it_when_the_store_is_down(
    knock: Callable[..., Any], caplog: pytest.LogCaptureFixture, told: list[dict[str, Any]]
) -> None:
    caplog.set_level(logging.DEBUG)
    token = signed(jti="a jti that nobody may read")
    response = knock(token)
    assert response.status_code == 503
    assert len(told) == 1
    texts = list(everything(response, caplog, told))
    assert_silent(token, iter(texts))
    assert not [text for text in texts if "a jti that nobody may read" in text]


def test_nor_is_it_with_published_keys(
    knock: Callable[..., Any],
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    told: list[dict[str, Any]],
) -> None:
    caplog.set_level(logging.DEBUG)
    with Issuer() as issuer:
        issuer.keys = [keypair().jwk()]
        published(settings, issuer.url)
        for pair in (keypair(), keypair("ES256", "unknown"), keypair("ES384").named("first")):
            token = pair.sign()
            for _ in range(2):
                assert_silent(token, everything(knock(token), caplog, told))


def test_the_jti_is_not_in_the_log_either(
    knock: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    claims = good_claims(jti="a jti that nobody may read")
    for _ in range(2):
        knock(signed(claims))
    assert "digest=" in caplog.text
    assert claims["jti"] not in caplog.text
