"""Tokens that come another way than in a request to a view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

import jti_replay
from jti_replay import KeysUnavailable, TokenInvalid, averify_token, verify_token

from .answers import assert_nothing_reserved
from .tokens import good_claims, signed

Configure = Callable[..., None]


@pytest.fixture(
    params=[verify_token, lambda *args, **kw: asyncio.run(averify_token(*args, **kw))]
)
def check(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """verify_token(), and averify_token() on a loop of its own."""
    return request.param  # type: ignore[no-any-return]


def test_the_claims_are_returned_and_nothing_is_reserved(check: Any) -> None:
    claims = good_claims(sub="u2")
    for _ in range(2):
        assert check(signed(claims)) == claims
        assert check(signed(claims), profile="default") == claims
    assert_nothing_reserved()


def test_a_token_that_is_not_accepted_is_refused(check: Any) -> None:
    with pytest.raises(TokenInvalid, match="expired"):
        check(signed(exp=1))


def test_what_the_kind_refuses_is_refused(check: Any) -> None:
    """A security event, and a token that is bound to a key, are no bearer tokens."""
    with pytest.raises(TokenInvalid, match="events"):
        check(signed(events={"https://event.example": {}}))
    with pytest.raises(TokenInvalid, match="DPoP"):
        check(signed(cnf={"jkt": "thumbprint"}))


def test_keys_that_cannot_be_had_are_told_apart(check: Any, configure: Configure) -> None:
    configure(KEY="tests.tokens.key_functions.failing")
    with pytest.raises(KeysUnavailable, match="the vault is down"):
        check(signed())


def test_a_profile_that_is_not_configured_is_named(check: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="'log-out'"):
        check(signed(), "log-out")


def test_a_kind_that_needs_the_request_is_no_use_without_it(check: Any, settings: Any) -> None:
    options = {"at": "token_endpoint", "origin": "https://service.example"}
    profiles = {"proofs": {"KIND": "dpop", "OPTIONS": options}}
    settings.JTI_REPLAY = {"PROFILES": profiles}
    with pytest.raises(ImproperlyConfigured, match="reserve_jti"):
        check(signed(), "proofs")


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "a.b.c.d.e", "é.é.é", "\ud800", "...", "a b.c.d"]
)
def test_what_is_no_token_is_malformed(check: Any, token: str) -> None:
    with pytest.raises(TokenInvalid, match="malformed"):
        check(token)


def test_they_are_public() -> None:
    assert {"verify_token", "averify_token"} <= set(jti_replay.__all__)
