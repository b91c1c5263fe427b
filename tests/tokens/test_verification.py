"""What is told of a token, and that nothing is reserved for one that is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from jti_replay import replay_cache
from jti_replay.profiles import get_profile
from jti_replay.tokens.verification import averify, verify

from .answers import assert_inside, assert_invalid, assert_nothing_reserved
from .tokens import assembled, base64url, good_claims, signed

Knock = Callable[..., Any]


def test_a_good_token_passes_once(knock: Knock) -> None:
    claims = good_claims(sub="user", extra={"any": ["thing"]})
    token = signed(claims)
    response = knock(token)
    assert_inside(response)
    assert response.claims == claims
    assert replay_cache.count() == 1
    assert_invalid(knock(token), "The token has already been used.")
    assert replay_cache.count() == 1


def test_verifying_reserves_nothing() -> None:
    token, rules = signed(), get_profile("default").rules
    assert verify(token, rules) == verify(token, rules)
    assert_nothing_reserved()


async def test_verifying_asynchronously_reserves_nothing() -> None:
    claims = good_claims()
    verified = await averify(signed(claims), get_profile("default").rules)
    assert verified.claims == claims
    assert verified.header == {"alg": "HS256", "typ": "JWT"}
    assert verified.jti == claims["jti"]
    assert_nothing_reserved()


def test_a_wrong_signature_is_refused(knock: Knock) -> None:
    token = signed(key="another secret, which is as long as it must be")
    assert_invalid(knock(token), "The signature of the token is wrong.")
    assert_nothing_reserved()


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_token_is_refused(knock: Knock, part: int) -> None:
    parts = signed().split(".")
    parts[part] = parts[1 if part != 1 else 0]
    assert_invalid(knock(".".join(parts)))
    assert_nothing_reserved()


def test_changed_claims_are_refused(knock: Knock) -> None:
    header, _, signature = signed().split(".")
    payload = signed(jti="another").split(".")[1]
    assert_invalid(
        knock(f"{header}.{payload}.{signature}"), "The signature of the token is wrong."
    )
    assert_nothing_reserved()


def test_a_missing_signature_is_refused(knock: Knock) -> None:
    header, payload, _ = signed().split(".")
    assert_invalid(knock(f"{header}.{payload}."), "The signature of the token is wrong.")
    assert_nothing_reserved()


def test_an_algorithm_that_is_not_listed_is_refused(knock: Knock) -> None:
    token = signed(key="x" * 64, algorithm="HS512")
    assert_invalid(knock(token), "The token is signed with an algorithm that is not accepted.")
    assert_nothing_reserved()


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"null", b'"text"', b"1", b"\xff", b"{", b"{}"]
)
def test_claims_that_are_no_object_are_refused(knock: Knock, payload: bytes) -> None:
    assert_invalid(knock(assembled(b'{"alg":"HS256"}', payload)))
    assert_nothing_reserved()


def test_a_subject_may_be_a_number(knock: Knock) -> None:
    """It is the project's, and some issuers write a user's number."""
    assert_inside(knock(signed(sub=4711)))


def test_an_encrypted_token_is_refused(knock: Knock) -> None:
    header = base64url(b'{"alg":"RSA-OAEP","enc":"A256GCM"}')
    assert_invalid(knock(f"{header}.a.b.c.d"))
    assert_nothing_reserved()


def test_a_refused_token_is_logged_at_info(
    knock: Knock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "jti_replay")
    knock(signed(exp=1))
    [record] = caplog.records
    assert (record.name, record.levelno) == ("jti_replay", logging.INFO)
    message = record.getMessage()
    assert message.startswith("Refused a token: profile='default': The token has expired. ")


def test_a_replay_is_logged_once(knock: Knock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "jti_replay")
    token = signed()
    knock(token)
    assert caplog.records == []
    knock(token)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
