"""Clause by clause: what is no token for a bearer endpoint."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from jti_replay.kinds.logout_token import EVENT as LOGOUT
from tests.tokens.answers import assert_inside, assert_invalid, assert_missing
from tests.tokens.answers import assert_nothing_reserved as nothing_reserved
from tests.tokens.keypairs import keypair
from tests.tokens.tokens import assembled, signed

Knock = Callable[..., Any]


def typed(typ: str, **claims: Any) -> str:
    return signed(header={"typ": typ}, **claims)


REFUSED = [
    pytest.param(lambda: typed("at+jwt"), id="B1-access-token"),
    pytest.param(lambda: typed("AT+JWT"), id="B1-other-case"),
    pytest.param(lambda: typed("application/at+jwt"), id="B1-media-type"),
    pytest.param(lambda: typed("Application/AT+jwt"), id="B1-media-type-other-case"),
    pytest.param(lambda: typed("logout+jwt", events={LOGOUT: {}}), id="B2-logout-token"),
    pytest.param(lambda: typed("secevent+jwt", events={"x": {}}), id="B2-security-event"),
    pytest.param(lambda: typed("dpop+jwt"), id="B2-proof"),
    pytest.param(lambda: typed("client-authentication+jwt"), id="B2-client-assertion"),
    pytest.param(lambda: typed("application/secevent+jwt"), id="B2-media-type"),
    pytest.param(lambda: signed(events={LOGOUT: {}}), id="B3-logout-token"),
    pytest.param(lambda: signed(events={"https://e.example/x": {}}), id="B3-security-event"),
    pytest.param(lambda: signed(cnf={"jkt": "0ZcOCORZNYy"}), id="B4-bound"),
    pytest.param(lambda: signed(cnf={"jkt": None}), id="B4-null"),
    pytest.param(lambda: json.dumps({"payload": "x"}), id="B6-json"),
    pytest.param(lambda: "{" + signed() + "}", id="B6-braces"),
    pytest.param(lambda: f'"{signed()}"', id="B6-quotes"),
    pytest.param(lambda: signed().replace(".", ":"), id="B6-separators"),
    pytest.param(lambda: assembled(b'{"alg":"none"}', b"{}"), id="B7-none"),
    pytest.param(lambda: assembled(b'{"alg":"noNE"}', b"{}"), id="B7-none-other-case"),
    pytest.param(lambda: keypair("ES256").sign(), id="B7-other-algorithm"),
]


@pytest.mark.parametrize("make", REFUSED)
def test_what_is_no_bearer_token_is_refused(knock: Knock, make: Callable[[], str]) -> None:
    """B1 to B4, B6, B7: 401 invalid_token, and nothing is reserved."""
    assert_invalid(knock(make()))
    nothing_reserved()


def test_b1_the_log_names_the_setting(
    knock: Knock, configure: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """B1: access tokens pass once where the profile says that each is for one request."""
    caplog.set_level(logging.INFO, "jti_replay")
    token = typed("at+jwt")
    assert_invalid(knock(token))
    assert "single_use_access_tokens" in caplog.text
    configure(OPTIONS={"single_use_access_tokens": True})
    assert_inside(knock(token))
    assert_invalid(knock(token), "The token has already been used.")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic dXNlcjpwYXNz"}])
def test_b5_no_code_without_a_token(knock: Knock, headers: dict[str, str]) -> None:
    """B5: the challenge is ``Bearer`` alone."""
    assert_missing(knock(headers=headers))
    nothing_reserved()


def test_b7_a_public_key_is_no_secret(knock: Knock, configure: Callable[..., None]) -> None:
    """B7: HS256 with the text of the public key is refused."""
    pair = keypair("ES256")
    configure(KEY=pair.pem(), ALGORITHMS=["ES256"])
    assert_invalid(knock(assembled(b'{"alg":"HS256"}', b"{}", pair.pem())))
    nothing_reserved()
