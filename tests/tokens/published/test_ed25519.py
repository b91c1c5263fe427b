"""Ed25519, under both of its names (RFC 9864 2.2)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from django.core.exceptions import ImproperlyConfigured

from tests.tokens.answers import assert_inside, assert_invalid, assert_unavailable
from tests.tokens.keypairs import KeyPair, keypair
from tests.tokens.tokens import base64url, good_claims

Knock = Callable[..., Any]
Configure = Callable[..., None]


def eddsa(alg: str, kid: str | None = "first", private: Any = None) -> str:
    """Return a token of the one Ed25519 key, under either name of its algorithm."""
    header = {"alg": alg, "kid": kid} if kid else {"alg": alg}
    text = f"{base64url(json.dumps(header).encode())}."
    text += base64url(json.dumps(good_claims()).encode())
    private = private or keypair("EdDSA").private
    return f"{text}.{base64url(private.sign(text.encode()))}"


@pytest.mark.parametrize("published", ["EdDSA", "Ed25519", None])
@pytest.mark.parametrize("accepted", [["EdDSA"], ["Ed25519"], ["EdDSA", "Ed25519"]])
@pytest.mark.parametrize("sent", ["EdDSA", "Ed25519"])
def test_ed25519_and_eddsa_are_one_algorithm(
    knock: Knock, publish_keys: Any, published: str | None, accepted: list[str], sent: str
) -> None:
    """RFC 9864: in ALGORITHMS, in tokens and in keys, each name serves the other."""
    publish_keys(keypair("EdDSA").jwk(alg=published), algorithms=accepted)
    assert_inside(knock(eddsa(sent)))
    assert_inside(knock(eddsa(sent, kid=None)))


@pytest.mark.parametrize("accepted", ["EdDSA", "Ed25519"])
def test_ed25519_is_accepted_with_a_key_of_ones_own(
    knock: Knock, configure: Configure, accepted: str
) -> None:
    configure(KEY=keypair("EdDSA").pem(), ALGORITHMS=[accepted])
    for sent in ("EdDSA", "Ed25519"):
        assert_inside(knock(eddsa(sent)))


@pytest.mark.parametrize("accepted", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("sent", ["EdDSA", "Ed25519"])
def test_a_signature_of_another_ed25519_key_is_refused(
    knock: Knock, publish_keys: Any, configure: Configure, accepted: str, sent: str
) -> None:
    forged = eddsa(sent, private=ed25519.Ed25519PrivateKey.generate())
    publish_keys(keypair("EdDSA").jwk(), algorithms=[accepted])
    assert_invalid(knock(forged))
    assert_inside(knock(eddsa(sent)))
    configure(KEY=keypair("EdDSA").pem(), ALGORITHMS=[accepted])
    assert_invalid(knock(forged))
    assert_inside(knock(eddsa(sent)))


def test_ed25519_is_not_the_other_curve(
    knock: Knock, publish_keys: Any, configure: Configure
) -> None:
    pair = KeyPair(ed448.Ed448PrivateKey.generate(), "EdDSA", "448")
    publish_keys(pair.jwk(), algorithms=["EdDSA"])
    assert_inside(knock(pair.sign()))
    publish_keys(pair.jwk(), algorithms=["Ed25519"])
    assert_invalid(knock(pair.sign()))
    configure(KEY=pair.pem(), ALGORITHMS=["Ed25519"])
    with pytest.raises(ImproperlyConfigured, match="no public key of the curve Ed25519"):
        knock(pair.sign())
    configure(KEY=lambda header, claims: pair.pem(), ALGORITHMS=["Ed25519"])
    assert_unavailable(knock(pair.sign()))
