"""One token written in several ways is used up in all of them, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from jti_replay import replay_cache
from tests.tokens.raw import HEADER, ORDER, payload

from .answers import (
    assert_inside,
    assert_invalid,
    assert_nothing_reserved,
)
from .keypairs import keypair
from .tokens import AUDIENCE, SECRET, assembled, base64url, signed

Knock = Callable[..., Any]


Configure = Callable[..., None]


USED = "The token has already been used."


def members(*pairs: tuple[str, str]) -> bytes:
    """Return good claims as JSON, and more members, which may have the same names."""
    text = ",".join(f'"{name}":{value}' for name, value in pairs)
    return payload()[:-1] + f",{text}}}".encode()


# One token, written in several ways.


@pytest.mark.parametrize("suffix", ["==", "===", "====", "====="])
def test_a_used_token_with_more_padding_is_no_new_one(knock: Knock, suffix: str) -> None:
    """One "=" fills up its last four letters; more are malformed."""
    token = signed()
    assert len(token.rpartition(".")[2] + "=") % 4 == 0
    assert_inside(knock(token))
    assert_invalid(knock(token + suffix), "The token is malformed.")
    assert replay_cache.count() == 1


def test_padding_that_pyjwt_takes_is_a_replay(knock: Knock) -> None:
    token = signed()
    jwt.decode(token + "=", SECRET, ["HS256"], audience=AUDIENCE)
    assert_inside(knock(token))
    assert_invalid(knock(token + "="), USED)


def test_a_token_that_comes_first_with_padding_is_used_up_too(knock: Knock) -> None:
    token = signed()
    assert_inside(knock(token + "="))
    assert_invalid(knock(token), USED)


def test_other_unused_bits_of_the_last_letter_make_no_new_token(knock: Knock) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = signed()
    assert_inside(knock(token))
    at = alphabet.index(token[-1])
    for other in range(at - at % 4, at - at % 4 + 4):
        text = USED if other == at else "The token is malformed."
        assert_invalid(knock(token[:-1] + alphabet[other]), text)
    assert replay_cache.count() == 1


def test_the_alphabet_of_plain_base64_makes_no_new_token(knock: Knock) -> None:
    while not {"-", "_"} & set(token := signed(sub="\u00ff\u00fe?>" * 9)):
        pass
    assert_inside(knock(token))
    other = token.replace("-", "+").replace("_", "/")
    assert_invalid(knock(other), "The token is malformed.")
    assert replay_cache.count() == 1


def test_the_other_ecdsa_signature_makes_no_new_token(
    knock: Knock, configure: Configure
) -> None:
    """If (r, s) signs, so does (r, n - s)."""
    pair = keypair("ES256")
    configure(KEY=pair.pem(), ALGORITHMS=["ES256"])
    token = pair.sign()
    signing_input, signature = token.rsplit(".", 1)
    raw = jwt.utils.base64url_decode(signature)
    turned = raw[:32] + (ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    other = f"{signing_input}.{base64url(turned)}"
    jwt.decode(other, pair.pem(), ["ES256"], audience=AUDIENCE)
    assert_inside(knock(token))
    assert_invalid(knock(other), USED)


def test_the_same_claims_in_another_header_are_a_replay(knock: Knock) -> None:
    claims = payload()
    assert_inside(knock(assembled(HEADER, claims)))
    assert_invalid(knock(assembled(b'{"typ":"JWT", "alg":"HS256"}', claims)), USED)


@pytest.mark.parametrize("name", ["jti", "exp", "iss", "aud", "sub"])
def test_two_claims_with_one_name_are_refused(knock: Knock, name: str) -> None:
    """PyJWT takes the last one, and others the first: each would see another jti."""
    twice = json.loads(payload(sub="a"))
    token = assembled(HEADER, members(("sub", '"a"'), (name, json.dumps(twice[name]))))
    jwt.decode(token, SECRET, ["HS256"], audience=AUDIENCE)
    assert_invalid(knock(token), "The token is malformed.")
    assert_nothing_reserved()


def test_two_members_with_one_name_deep_inside_are_refused(knock: Knock) -> None:
    assert_invalid(knock(assembled(HEADER, members(("a", '[{"b":{"c":1,"c":2}}]')))))
    assert_nothing_reserved()


def test_a_name_written_with_escapes_is_the_same_name(knock: Knock) -> None:
    assert_invalid(knock(assembled(HEADER, members((r"\u006ati", '"another"')))))
    assert_nothing_reserved()


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_json_is_refused_in_any_claim(knock: Knock, constant: str) -> None:
    assert_invalid(knock(assembled(HEADER, members(("a", constant)))))
    assert_nothing_reserved()
