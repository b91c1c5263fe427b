"""Tokens without a jti, which are known by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from .answers import assert_inside, assert_invalid, assert_nothing_reserved
from .keypairs import keypair
from .raw import ORDER
from .tokens import base64url, good_claims, signed

Knock = Callable[..., Any]
Configure = Callable[..., None]

USED = "The token has already been used."


@pytest.fixture(autouse=True)
def _digest(configure: Configure) -> None:
    configure(JTI="digest")


def test_a_token_without_a_jti_passes_once(knock: Knock) -> None:
    token = signed(jti=None)
    response = knock(token)
    assert_inside(response)
    assert "jti" not in response.claims
    assert_invalid(knock(token), USED)


def test_it_is_known_by_what_was_signed(knock: Knock) -> None:
    """The SHA-256 of header and payload as they were sent."""
    token = signed(jti=None)
    digest = hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()
    assert knock(token).reservation.jti == f"sha-256:{digest}"


def test_another_signature_of_the_same_token_is_a_replay(
    knock: Knock, configure: Configure
) -> None:
    """If (r, s) signs, so does (r, n - s)."""
    pair = keypair("ES256")
    configure(KEY=pair.pem(), ALGORITHMS=["ES256"], JTI="digest")
    token = pair.sign(jti=None)
    text, _, signature = token.rpartition(".")
    raw = jwt.utils.base64url_decode(signature)
    turned = raw[:32] + (ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    assert_inside(knock(token))
    assert_invalid(knock(f"{text}.{base64url(turned)}"), USED)
    assert_invalid(knock(f"{token}=="), USED)


def test_two_tokens_are_two(knock: Knock) -> None:
    claims = good_claims(jti=None)
    assert_inside(knock(signed(claims)))
    assert_inside(knock(signed(claims | {"nonce": "other"})))


def test_a_token_with_a_jti_is_known_by_that(knock: Knock) -> None:
    assert knock(signed(jti="1")).reservation.jti == "1"
    assert_invalid(knock(signed(jti="1", sub="another")), USED)


@pytest.mark.parametrize("jti", [None, "", 0, 1, True, [], ["a"], {}])
def test_a_jti_that_is_none_is_refused_by_name(knock: Knock, jti: Any) -> None:
    response = knock(signed(good_claims() | {"jti": jti}))
    assert_invalid(response)
    assert b"(jti)" in response.content
    assert_nothing_reserved()
