"""Attacks on JSON Web Tokens that have been published, one test for each."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.tokens.raw import HEADER, payload

from .answers import (
    assert_inside,
    assert_invalid,
    assert_nothing_reserved,
    assert_unavailable,
)
from .issuer import Issuer
from .keypairs import keypair
from .tokens import SECRET, assembled, base64url, signed

Knock = Callable[..., Any]


Configure = Callable[..., None]


# The algorithm.


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "x", base64url(b"signature")])
def test_an_unsigned_token_is_refused(knock: Knock, alg: str, signature: str) -> None:
    """RFC 8725 2.1."""
    header = base64url(json.dumps({"alg": alg}).encode())
    assert_invalid(knock(f"{header}.{base64url(payload())}.{signature}"))
    assert_nothing_reserved()


@pytest.mark.parametrize("alg", [None, 1, True, [], ["HS256"], {}, "HS", "S256", "hs256"])
def test_an_algorithm_is_one_of_the_list_and_not_a_part_of_it(knock: Knock, alg: Any) -> None:
    """PyJWT takes algorithms="HS256" as the text in which to look for "S256"."""
    assert_invalid(knock(assembled(json.dumps({"alg": alg}).encode(), payload())))
    assert_nothing_reserved()


def test_a_token_without_an_algorithm_is_refused(knock: Knock) -> None:
    assert_invalid(knock(assembled(b"{}", payload())))
    assert_nothing_reserved()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_public_key_is_not_taken_for_a_secret(
    knock: Knock, configure: Configure, algorithm: str
) -> None:
    """Anybody who knows it could sign with it by HS256 (CVE-2016-10555, CVE-2022-29217)."""
    pem = keypair(algorithm).pem()
    configure(KEY=pem, ALGORITHMS=[algorithm])
    for secret in (pem, pem.strip(), pem.replace("\n", "")):
        assert_invalid(knock(assembled(HEADER, payload(), secret)))
    assert_nothing_reserved()


def test_a_profile_with_a_public_key_as_a_secret_does_not_work(
    knock: Knock, configure: Configure
) -> None:
    pem = keypair("RS256").pem()
    configure(KEY=pem, ALGORITHMS=["RS256", "HS256"])
    with pytest.raises(ImproperlyConfigured, match="E013"):
        knock(assembled(HEADER, payload(), pem))
    assert_nothing_reserved()


def test_a_published_key_is_not_taken_for_a_secret(
    knock: Knock, configure: Configure, issuer: Issuer
) -> None:
    pair = keypair("RS256")
    issuer.keys = [pair.jwk(alg=None)]
    configure(KEY=None, JWKS_URL=issuer.url, ALGORITHMS=["RS256"])
    header = json.dumps({"alg": "HS256", "kid": pair.kid}).encode()
    for secret in (pair.pem(), json.dumps(pair.jwk()), pair.jwk()["n"]):
        assert_invalid(knock(assembled(header, payload(), secret)))
    assert_nothing_reserved()


def test_a_published_secret_is_not_trusted(
    knock: Knock, configure: Configure, issuer: Issuer
) -> None:
    issuer.keys = [{"kty": "oct", "kid": "1", "k": base64url(SECRET.encode()), "alg": "HS256"}]
    configure(KEY=None, JWKS_URL=issuer.url, ALGORITHMS=["RS256"])
    header = b'{"alg":"%s","kid":"1"}'
    assert_invalid(knock(assembled(header % b"HS256", payload())))
    assert_invalid(knock(assembled(header % b"RS256", payload())))
    assert_nothing_reserved()


def test_a_blank_ecdsa_signature_is_refused(knock: Knock, configure: Configure) -> None:
    """CVE-2022-21449, the "psychic signature"."""
    pair = keypair("ES256")
    configure(KEY=pair.pem(), ALGORITHMS=["ES256"])
    header, claims, _ = pair.sign().split(".")
    for signature in (bytes(64), b"", b"\x30\x06\x02\x01\x00\x02\x01\x00"):
        assert_invalid(knock(f"{header}.{claims}.{base64url(signature)}"))
    assert_nothing_reserved()


@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_a_short_secret_is_refused(knock: Knock, configure: Configure) -> None:
    """PyJWT only warns (CVE-2025-45768; RFC 7518 3.2)."""
    configure(KEY="short")
    with pytest.raises(ImproperlyConfigured, match="too short"):
        knock(assembled(HEADER, payload(), "short"))
    assert_nothing_reserved()


def short_secret(header: Any, claims: Any) -> str:
    return "short"


@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_a_short_secret_from_a_function_is_refused(knock: Knock, configure: Configure) -> None:
    configure(KEY=f"{__name__}.short_secret")
    assert_unavailable(knock(assembled(HEADER, payload(), "short")))
    assert_nothing_reserved()


# Keys that the token brings along.


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_key_in_the_header_is_not_used(
    knock: Knock, configure: Configure, issuer: Issuer, algorithm: str
) -> None:
    """CVE-2018-0114."""
    trusted, evil = keypair(algorithm), keypair(algorithm, "evil")
    issuer.keys = [trusted.jwk()]
    forged = evil.sign(header={"kid": trusted.kid, "jwk": evil.jwk(kid=trusted.kid)})
    configure(KEY=trusted.pem(), ALGORITHMS=[algorithm])
    assert_invalid(knock(forged), "The signature of the token is wrong.")
    configure(KEY=None, JWKS_URL=issuer.url, ALGORITHMS=[algorithm])
    assert_invalid(knock(forged), "The signature of the token is wrong.")
    assert_nothing_reserved()


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_a_url_in_the_header_is_not_fetched(
    knock: Knock, configure: Configure, issuer: Issuer, name: str
) -> None:
    evil = keypair(kid="evil")
    issuer.keys = [keypair().jwk()]
    with Issuer() as attacker:
        attacker.keys = [evil.jwk()]
        configure(KEY=None, JWKS_URL=issuer.url, ALGORITHMS=["ES256"])
        forged = evil.sign(header={"kid": "evil", name: attacker.url})
        assert_invalid(knock(forged), "The token is signed with an unknown key.")
        assert attacker.fetches == 0
    assert_nothing_reserved()


@pytest.mark.parametrize("name", ["x5c", "x5t", "x5t#S256"])
def test_a_certificate_in_the_header_is_not_used(
    knock: Knock, configure: Configure, name: str
) -> None:
    trusted, evil = keypair("RS256"), keypair("RS256", "evil")
    configure(KEY=trusted.pem(), ALGORITHMS=["RS256"])
    value = [base64url(evil.pem().encode())]
    assert_invalid(knock(evil.sign(header={name: value})))
    assert_nothing_reserved()


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../../../dev/null",
        "/dev/null",
        "' UNION SELECT 'secret' --",
        "first' OR '1'='1",
        "$(touch pwned)",
        "http://127.0.0.1:1/jwks",
        "file:///dev/null",
        "first\x00",
        "first\n",
        " first",
        "FIRST",
        "\ud800",
        "x" * 100_000,
    ],
)
def test_a_kid_is_only_compared(
    knock: Knock, configure: Configure, issuer: Issuer, kid: str
) -> None:
    issuer.keys = [keypair().jwk()]
    configure(KEY=None, JWKS_URL=issuer.url, ALGORITHMS=["ES256"])
    assert_invalid(
        knock(keypair().sign(header={"kid": kid})), "The token is signed with an unknown key."
    )
    assert not Path("pwned").exists()
    assert_nothing_reserved()


@pytest.mark.parametrize("kid", [None, "", 1, True, ["first"], {"first": 1}])
def test_a_kid_that_is_no_text_is_refused(
    knock: Knock, configure: Configure, issuer: Issuer, kid: Any
) -> None:
    issuer.keys = [keypair().jwk()]
    configure(KEY=None, JWKS_URL=issuer.url, ALGORITHMS=["ES256"])
    header = base64url(json.dumps({"alg": "ES256", "kid": kid}).encode())
    assert_invalid(knock(f"{header}.{base64url(payload())}.{base64url(bytes(64))}"))
    assert issuer.fetches == 0
    assert_nothing_reserved()


# Extensions.


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "exp", [1], None, ["urn:x"], {}])
def test_an_extension_that_must_be_understood_is_refused(knock: Knock, crit: Any) -> None:
    """RFC 7515 4.1.11."""
    header = {"alg": "HS256", "crit": crit, "exp": 1, "urn:x": 1}
    assert_invalid(knock(assembled(json.dumps(header).encode(), payload())))
    assert_nothing_reserved()


@pytest.mark.parametrize("crit", [["b64"], None])
def test_a_payload_that_is_not_encoded_is_refused(knock: Knock, crit: Any) -> None:
    """RFC 7797."""
    header = {"alg": "HS256", "b64": False} | ({"crit": crit} if crit else {})
    encoded = json.dumps(header).encode()
    assert_invalid(knock(assembled(encoded, payload())))
    head, _, signature = assembled(encoded, payload()).split(".")
    assert_invalid(knock(f"{head}..{signature}"))
    assert_nothing_reserved()


def test_a_compressed_payload_is_refused(knock: Knock) -> None:
    header = b'{"alg":"HS256","zip":"DEF"}'
    assert_invalid(knock(assembled(header, zlib.compress(payload()))))
    assert_nothing_reserved()


@pytest.mark.parametrize("depth", [1_000, 200_000])
@pytest.mark.parametrize("brackets", [b"[]", b"{}"])
def test_deeply_nested_json_is_refused(knock: Knock, depth: int, brackets: bytes) -> None:
    opening = brackets[:1] if brackets == b"[]" else b'{"a":'
    nested = opening * depth + b"1" + brackets[1:] * depth
    assert_invalid(knock(assembled(nested, payload())))
    assert_invalid(knock(assembled(HEADER, nested)))
    assert_nothing_reserved()


def test_a_nested_token_is_refused(knock: Knock) -> None:
    assert_invalid(knock(assembled(b'{"alg":"HS256","cty":"JWT"}', signed().encode())))
    assert_nothing_reserved()


def test_a_token_of_another_profile_is_refused(knock: Knock, settings: Any) -> None:
    """Cross-JWT confusion (RFC 8725 2.8): each profile has its own key and audience."""
    profiles = settings.JTI_REPLAY["PROFILES"]
    profiles["other"] = profiles["default"] | {"AUDIENCE": "https://other.example"}
    settings.JTI_REPLAY = settings.JTI_REPLAY | {"PROFILES": profiles}
    assert_invalid(knock(signed(), profile="other"), "The token is for another audience.")
    assert_nothing_reserved()
    assert_inside(knock(signed(aud="https://other.example"), profile="other"))
