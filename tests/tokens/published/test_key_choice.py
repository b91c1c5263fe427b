"""Which of the published keys a token is verified with."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from jti_replay.exceptions import TokenInvalid
from jti_replay.tokens import key_set
from jti_replay.tokens.key_set import KeySet
from jti_replay.tokens.parsing import read_unverified
from tests.stopwatch import takes_at_most
from tests.tokens.answers import assert_inside, assert_invalid
from tests.tokens.keypairs import KeyPair, keypair
from tests.tokens.tokens import base64url, good_claims, signed

Knock = Callable[..., Any]
Configure = Callable[..., None]

UNKNOWN = "The token is signed with an unknown key."
UNFIT = "The token's algorithm does not fit its key."

pytestmark = pytest.mark.usefixtures("publish_keys")


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_a_key_listed_for_each_algorithm_serves_each(
    knock: Knock, publish_keys: Any, algorithm: str
) -> None:
    """One RSA key stands in the set three times under one kid."""
    pair = keypair("RS256")
    publish_keys(*(pair.jwk(alg=alg) for alg in ("RS512", "RS256", "RS384")))
    assert_inside(knock(pair.sign(algorithm=algorithm)))


def test_keys_of_two_types_can_share_a_kid(knock: Knock, publish_keys: Any) -> None:
    """The token's algorithm picks the one that fits."""
    rsa, ec256, ec384 = (keypair(name) for name in ("RS256", "ES256", "ES384"))
    publish_keys(*(pair.jwk(alg=None, use=None) for pair in (rsa, ec384, ec256)))
    for pair in (rsa, ec256, ec384):
        assert_inside(knock(pair.sign()))


@pytest.mark.parametrize(
    "encryption",
    [
        {"use": "enc"},
        {"use": "enc", "alg": "RSA-OAEP"},
        {"use": None, "alg": "RSA-OAEP-256"},
        {"use": None, "alg": None, "key_ops": ["encrypt", "wrapKey"]},
        {"kty": "OKP", "crv": "X25519", "use": None, "alg": None},
    ],
)
def test_an_encryption_key_is_passed_over_silently(
    knock: Knock,
    publish_keys: Any,
    caplog: pytest.LogCaptureFixture,
    encryption: dict[str, Any],
) -> None:
    """It is no candidate, even where it shares the kid, and nothing is wrong with it."""
    pair, other = keypair("RS256"), keypair("RS256", "other")
    publish_keys(other.jwk(kid=pair.kid, **encryption), pair.jwk())
    assert_inside(knock(pair.sign()))
    assert_invalid(knock(other.named(pair.kid).sign()), "The signature of the token is wrong.")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_of_many_keys_with_one_kid_some_are_tried(knock: Knock, publish_keys: Any) -> None:
    """An issuer cannot make each token cost a thousand verifications."""
    pairs = [keypair("ES256", str(number)) for number in range(key_set.MOST_TRIED + 1)]
    publish_keys(*(pair.jwk(kid="same") for pair in pairs))
    assert_inside(knock(pairs[-2].named("same").sign()))
    assert_invalid(knock(pairs[-1].named("same").sign()))


def test_a_key_published_many_times_is_tried_once(knock: Knock, publish_keys: Any) -> None:
    """It takes the place of no other key with its kid."""
    pair, other = keypair("ES256"), keypair("ES256", "other")
    publish_keys(*[pair.jwk()] * key_set.MOST_TRIED, other.jwk(kid=pair.kid))
    assert_inside(knock(other.named(pair.kid).sign()))


# Tokens without a kid.


@pytest.mark.parametrize("kid", ["first", None])
def test_without_kid_the_one_key_that_fits_is_taken(
    knock: Knock, publish_keys: Any, kid: str | None
) -> None:
    """A key without kid counts, and so does one with it."""
    pair = keypair("RS256")
    publish_keys(keypair("ES256").jwk(), pair.jwk(kid=kid))
    assert_inside(knock(pair.sign(header={})))
    forged = keypair("RS256", "evil").sign(header={})
    assert_invalid(knock(forged), "The signature of the token is wrong.")


def test_without_kid_one_key_published_twice_is_one(knock: Knock, publish_keys: Any) -> None:
    pair = keypair("RS256")
    publish_keys(pair.jwk(), pair.jwk(kid="again"), pair.jwk(alg="RS512"))
    assert_inside(knock(pair.sign(header={})))


def test_without_kid_two_keys_that_fit_refuse(knock: Knock, publish_keys: Any) -> None:
    first, second = keypair("ES256"), keypair("ES256", "second")
    publish_keys(first.jwk(), second.jwk())
    for pair in (first, second):
        assert_invalid(knock(pair.sign(header={})), "The token does not name its key (kid).")


def test_without_kid_no_key_that_fits_refuses(knock: Knock, publish_keys: Any) -> None:
    publish_keys(keypair("ES256").jwk())
    assert_invalid(knock(keypair("RS256").sign(header={})), UNKNOWN)


def test_a_key_without_kid_serves_no_token_with_one(knock: Knock, publish_keys: Any) -> None:
    publish_keys(keypair().jwk(kid=None))
    assert_invalid(knock(keypair().sign()), UNKNOWN)


# Members.


@pytest.mark.parametrize(
    "members",
    [
        {"use": None},
        {"alg": None},
        {"key_ops": None},
        {"x5c": None, "use": None, "alg": None, "key_ops": None, "d": None},
    ],
)
def test_a_member_that_is_null_is_as_good_as_absent(
    knock: Knock, publish_keys: Any, members: dict[str, None]
) -> None:
    pair = keypair("RS256")
    publish_keys(pair.jwk() | members)
    assert_inside(knock(pair.sign()))


def test_a_kid_that_is_null_is_as_good_as_absent(knock: Knock, publish_keys: Any) -> None:
    publish_keys(keypair().jwk() | {"kid": None})
    assert_inside(knock(keypair().sign(header={})))


@pytest.mark.parametrize("operations", [["verify"], ["sign", "verify"], [], "verify"])
def test_key_ops_that_verify_are_fine(knock: Knock, publish_keys: Any, operations: Any) -> None:
    publish_keys(keypair().jwk(key_ops=operations))
    assert_inside(knock(keypair().sign()))


def short_coordinate(curve: ec.EllipticCurve, algorithm: str) -> KeyPair:
    """Return a key whose x begins with a zero byte."""
    bits = (curve.key_size + 7) // 8 * 8
    while True:
        private = ec.generate_private_key(curve)
        if private.public_key().public_numbers().x < 1 << (bits - 8):
            return KeyPair(private, algorithm, "short")


@pytest.mark.parametrize(
    ("curve", "algorithm"),
    [(ec.SECP256R1(), "ES256"), (ec.SECP384R1(), "ES384"), (ec.SECP521R1(), "ES512")],
)
@pytest.mark.parametrize("change", [lambda x: x.lstrip(b"\0"), lambda x: b"\0" + x])
def test_a_coordinate_of_another_length_is_read(
    knock: Knock,
    publish_keys: Any,
    curve: ec.EllipticCurve,
    algorithm: str,
    change: Callable[[bytes], bytes],
) -> None:
    """RFC 7518 6.2.1.2 asks for all bytes of the curve; some issuers write the number."""
    pair = short_coordinate(curve, algorithm)
    x = jwt.utils.base64url_decode(pair.jwk()["x"])
    publish_keys(pair.jwk(x=base64url(change(x))))
    assert_inside(knock(pair.sign()))


# Keys that cannot be used.


def test_unusable_keys_are_named_once_for_each_set(
    knock: Knock, publish_keys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """By kid or place, with the reason, and not again for each token."""
    good = keypair("RS256")
    publish_keys(
        good.jwk(kid="good"),
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        good.private_jwk(kid="private"),
        {"kty": "XX"},
        good.jwk(kid="odd", alg="XX256"),
        good.jwk(kid="misfit", alg="ES256"),
        good.jwk(kid="use", use="tls"),
        good.jwk(kid=7),
        {"kty": "EC", "crv": "P-1", "kid": "curve"},
        {"kty": "RSA", "kid": "empty"},
        "text",
    )
    for _ in range(3):
        assert_inside(knock(good.named("good").sign()))
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    said = record.getMessage()
    for name, reason in {
        "Key 2 (kid 'secret')": "a secret",
        "Key 3 (kid 'private')": "a private key",
        "Key 4:": "Its kty is 'XX'",
        "Key 5 (kid 'odd')": "Its alg is 'XX256'",
        "Key 6 (kid 'misfit')": "does not fit",
        "Key 7 (kid 'use')": "Its use is 'tls'",
        "Key 8 (kid 7)": "Its kid is not a string",
        "Key 9 (kid 'curve')": "Its crv is 'P-1'",
        "Key 10 (kid 'empty')": "KeyError",
        "Key 11:": "no JSON object",
    }.items():
        assert reason in said.partition(name)[2].partition("Key ")[0], name
    assert "Key 1 " not in said
    assert good.private_jwk()["d"] not in said


def test_the_log_says_why_the_key_of_a_token_is_unknown(
    knock: Knock, publish_keys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jti_replay")
    pair = keypair("RS256")
    publish_keys(keypair().jwk(kid="other"), {"kty": "XX"}, pair.private_jwk())
    assert_invalid(knock(pair.sign()), UNKNOWN)
    said = caplog.records[-1].getMessage()
    assert "Its kid is 'first', its alg RS256. Published: 'other'." in said
    assert "Not usable: Key 3 (kid 'first'): It is a private key" in said
    for header in ({}, {"kid": "XX"}):
        assert_invalid(knock(pair.sign(header=header)), UNKNOWN)
        assert "Not usable: Key 2: Its kty is 'XX'" in caplog.records[-1].getMessage()


def test_many_unusable_keys_are_counted() -> None:
    keys = KeySet([{"kty": "XX", "kid": str(number)} for number in range(50)])
    assert keys.unusable.count("Its kty is 'XX'") == key_set.MOST_NAMED
    assert keys.unusable.endswith(f"And {50 - key_set.MOST_NAMED} more.")


def test_a_set_of_ten_thousand_keys_is_handled(knock: Knock, publish_keys: Any) -> None:
    """It is read once; then a token finds its key at once, or is refused at once."""
    raw = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    x = base64url(raw)
    keys = [{"kty": "OKP", "crv": "Ed25519", "kid": str(n), "x": x} for n in range(9_999)]
    publish_keys(*keys, keypair("EdDSA").jwk(kid="last"))
    assert_inside(knock(keypair("EdDSA").named("last").sign()))
    with takes_at_most(1):
        for number in range(20):
            assert_inside(knock(keypair("EdDSA").named("last").sign()))
            assert_invalid(knock(keypair("EdDSA").named(str(number)).sign()))


# Tokens of another library.


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", RSAKey.generate_key(2048, {"kid": "j"}, private=True)),
        ("PS256", RSAKey.generate_key(2048, {"kid": "j"}, private=True)),
        ("ES256", ECKey.generate_key("P-256", {"kid": "j"}, private=True)),
        ("ES512", ECKey.generate_key("P-521", {"kid": "j"}, private=True)),
        ("Ed25519", OKPKey.generate_key("Ed25519", {"kid": "j"}, private=True)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tokens_and_keys_of_joserfc_are_accepted(
    knock: Knock, publish_keys: Any, algorithm: str, key: Any
) -> None:
    publish_keys(key.as_dict(private=False), algorithms=[algorithm])
    header = {"alg": algorithm, "kid": "j"}
    token = joserfc_jwt.encode(header, good_claims(), key, algorithms=[algorithm])
    assert_inside(knock(token))


def test_a_secret_of_a_key_function_is_no_published_one() -> None:
    """A project may give a JWK of kty oct; an issuer may not publish one."""
    token = read_unverified(signed())
    jwk = {"kty": "oct", "k": base64url(b"x" * 32)}
    assert KeySet([jwk], secrets=True).find(token)
    assert not KeySet([jwk]).find(token)
    with pytest.raises(ValueError, match="no JWK Set"):
        KeySet({"first": jwk})
    assert isinstance(KeySet([]).unknown(token), TokenInvalid)
