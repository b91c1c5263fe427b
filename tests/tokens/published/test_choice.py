"""The published key that a token names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.tokens.answers import (
    assert_inside,
    assert_invalid,
    assert_nothing_reserved,
    assert_unavailable,
)
from tests.tokens.issuer import Issuer
from tests.tokens.keypairs import KeyPair, keypair
from tests.tokens.tokens import base64url, signed

from .conftest import (
    UNKNOWN,
)

Knock = Callable[..., Any]
Configure = Callable[..., None]


def test_a_published_key_verifies(knock: Knock, first: KeyPair) -> None:
    assert_inside(knock(first.sign()))


def test_keys_are_fetched_once_for_many_tokens(
    knock: Knock, issuer: Issuer, first: KeyPair
) -> None:
    for _ in range(10):
        assert_inside(knock(first.sign()))
    assert issuer.fetches == 1


def test_nothing_is_fetched_before_the_first_token(issuer: Issuer) -> None:
    assert_nothing_reserved()
    assert issuer.fetches == 0


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "EdDSA"])
def test_each_kind_of_key_can_be_published(
    knock: Knock, configure: Configure, issuer: Issuer, algorithm: str
) -> None:
    configure(KEY=None, JWKS_URL=issuer.url, ALGORITHMS=[algorithm])
    pair = keypair(algorithm)
    for alg in (algorithm, None):
        issuer.keys = [pair.jwk(alg=alg).copy()]
        assert_inside(knock(pair.sign()))


def test_a_key_without_alg_serves_all_algorithms_of_its_kind(
    knock: Knock, issuer: Issuer
) -> None:
    pair = keypair("RS256")
    issuer.keys = [pair.jwk(alg=None, use=None)]
    for algorithm in ("PS256", "RS256", "PS256"):
        assert_inside(knock(pair.sign(algorithm=algorithm)))


def test_a_key_with_alg_serves_that_one_only(knock: Knock, issuer: Issuer) -> None:
    pair = keypair("RS256")
    issuer.keys = [pair.jwk()]
    assert_inside(knock(pair.sign()))
    assert_invalid(knock(pair.sign(algorithm="PS256")))


@pytest.mark.parametrize("alg", [None, "declared"])
@pytest.mark.parametrize("named", ["RS256", "ES256", "ES384"])
@pytest.mark.parametrize("used", ["RS256", "PS256", "ES256", "ES384"])
def test_an_algorithm_of_another_family_or_curve_is_refused(
    knock: Knock, issuer: Issuer, alg: str | None, named: str, used: str
) -> None:
    """By the token, which chose it: the keys are fine, so it is no 503."""
    published, used_pair = keypair(named), keypair(used)
    issuer.keys = [published.jwk(**({} if alg else {"alg": None}))]
    token = used_pair.named(published.kid).sign()
    if published is used_pair:
        assert_inside(knock(token))
    else:
        assert_invalid(knock(token))
        assert_nothing_reserved()


def test_nothing_is_fetched_for_an_algorithm_not_listed(knock: Knock, issuer: Issuer) -> None:
    for algorithm in ("HS256", "HS512"):
        token = signed(key="x" * 64, algorithm=algorithm, header={"kid": "first"})
        assert_invalid(knock(token))
    assert_invalid(knock("a.b.c"))
    assert issuer.fetches == 0


def unusable(first: KeyPair) -> dict[str, Any]:
    return {
        "null": None,
        "number": 7,
        "text": "first",
        "list": [],
        "empty": {},
        "no kty": first.jwk(kty=None),
        "unknown kty": first.jwk(kty="XX"),
        "kty of a wrong type": first.jwk(kty=["EC"]),
        "no kid": first.jwk(kid=None),
        "kid of a wrong type": first.jwk(kid=7),
        "for encryption": first.jwk(use="enc"),
        "use of a wrong type": first.jwk(use=["sig"]),
        "unknown alg": first.jwk(alg="XX256"),
        "alg none": first.jwk(alg="none"),
        "alg of a wrong type": first.jwk(alg=["ES256"]),
        "alg of another kind": first.jwk(alg="RS256"),
        "unknown curve": first.jwk(crv="P-1"),
        "curve of a wrong type": first.jwk(crv={}),
        "point of a wrong type": first.jwk(x=7),
        "point that is not on the curve": first.jwk(x=base64url(bytes(32))),
        "point in no base64": first.jwk(x="\u00e9"),
        "no point": first.jwk(x=None),
        "secret": {"kty": "oct", "kid": "first", "k": base64url(b"x" * 32)},
        "private": first.private_jwk(),
    }


@pytest.mark.parametrize("name", unusable(keypair()))
def test_a_key_that_is_of_no_use_does_not_spoil_the_others(
    knock: Knock, issuer: Issuer, first: KeyPair, second: KeyPair, name: str
) -> None:
    issuer.keys = [unusable(first)[name], second.jwk()]
    assert_inside(knock(second.sign()))
    assert_invalid(knock(first.sign()), UNKNOWN)


def test_of_two_keys_with_one_kid_each_is_tried(
    knock: Knock, issuer: Issuer, first: KeyPair, second: KeyPair
) -> None:
    issuer.keys = [first.jwk(), second.jwk(kid="first")]
    assert_inside(knock(first.sign()))
    assert_inside(knock(second.named("first").sign()))
    forged = keypair("ES256", "evil").named("first").sign()
    assert_invalid(knock(forged), "The signature of the token is wrong.")


def test_a_published_key_that_is_too_short_is_answered_503(
    knock: Knock, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names it among those that cannot be used."""
    pair = KeyPair(rsa.generate_private_key(65537, 1024), "RS256", "short")
    issuer.keys = [pair.jwk()]
    with pytest.warns(UserWarning, match="1024 bits"):
        token = pair.sign()
    assert_unavailable(knock(token))
    assert_nothing_reserved()
    assert "cannot be used. Key 1 (kid 'short'): The RSA key is 1024 bits" in caplog.text


@pytest.mark.parametrize("short_first", [True, False])
def test_a_key_that_is_too_short_may_have_been_the_one(
    knock: Knock, issuer: Issuer, short_first: bool
) -> None:
    """Beside one whose signature it is not, under the same kid, in either order."""
    short = KeyPair(rsa.generate_private_key(65537, 1024), "RS256", "first")
    issuer.keys = [keypair("RS256").jwk()]
    issuer.keys.insert(0 if short_first else 1, short.jwk())
    assert_inside(knock(keypair("RS256").sign()))
    assert_unavailable(knock(keypair("RS256", "evil").named("first").sign()))
