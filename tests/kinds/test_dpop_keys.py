"""The keys of DPoP proofs, and the kinds that take no proof."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.tokens.keypairs import KeyPair
from tests.tokens.tokens import base64url

from .dpop_client import (
    ACCESS_TOKEN,
    KEY,
    ORIGIN,
    RSA,
    TOKEN_ENDPOINT,
    proof,
    public_jwk,
    request,
    with_jwk,
)
from .sending import Site, nothing_happened, said


@cache
def rsa_of(bits: int) -> KeyPair:
    """Return a key pair of a size, which takes seconds to make."""
    return KeyPair(rsa.generate_private_key(65537, bits), "RS256", "")


@pytest.mark.parametrize(
    ("bits", "status"), [(1024, 400), (2048, 200), (4096, 200), (4104, 400)]
)
def test_d6_an_rsa_key_has_a_size(
    dpop_site: Callable[..., Site], bits: int, status: int
) -> None:
    """A client must not choose how long a verification takes."""
    site = dpop_site(TOKEN_ENDPOINT, ALGORITHMS=["RS256"])
    assert site.send(request(proof(key=rsa_of(bits)))).status_code == status


@pytest.mark.parametrize("exponent", [1, 2, 2**512 + 1])
def test_d6_an_odd_rsa_key_is_the_clients_fault(
    dpop_site: Callable[..., Site], exponent: int
) -> None:
    """Not a 503, which would say that this server is in trouble."""
    site = dpop_site(TOKEN_ENDPOINT, ALGORITHMS=["RS256"])
    size = (exponent.bit_length() + 7) // 8
    members = {"e": base64url(exponent.to_bytes(size, "big"))}
    text = with_jwk(public_jwk(RSA) | members, key=RSA)
    assert said(site.send(request(text))) == (400, "invalid_dpop_proof")
    assert nothing_happened(site)


def test_d6_a_secret_is_no_key(
    dpop_site: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    """It would prove nothing: whoever sees the proof could make another one."""
    caplog.set_level(logging.INFO, "jti_replay")
    site = dpop_site(TOKEN_ENDPOINT)
    text = with_jwk({"kty": "oct", "k": base64url(b"k" * 32)})
    assert said(site.send(request(text))) == (400, "invalid_dpop_proof")
    assert "It is a secret (kty oct)" in caplog.text


def test_d6_a_key_for_another_algorithm_is_refused(dpop_site: Callable[..., Site]) -> None:
    """The key could be used with it, but its alg says otherwise."""
    site = dpop_site(TOKEN_ENDPOINT, ALGORITHMS=["RS256", "PS256"])
    assert said(site.send(request(with_jwk(public_jwk(RSA), key=RSA)))) == (200, None)
    other = public_jwk(RSA) | {"alg": "PS256"}
    assert said(site.send(request(with_jwk(other, key=RSA)))) == (400, "invalid_dpop_proof")


def test_d6_a_key_that_fails_late_is_the_clients_fault(
    dpop_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old releases of cryptography find some keys to be odd only when they verify."""

    def fail(*args: Any) -> NoReturn:
        raise ValueError("e must be odd.")

    monkeypatch.setattr(jwt.algorithms.RSAAlgorithm, "verify", fail)
    site = dpop_site(TOKEN_ENDPOINT, ALGORITHMS=["RS256"])
    assert said(site.send(request(proof(key=RSA)))) == (400, "invalid_dpop_proof")
    assert nothing_happened(site)


def test_other_kinds_take_no_proof(dpop_site: Callable[..., Site]) -> None:
    """Nor does this one take theirs: typ tells them apart."""
    site = dpop_site(ACCESS_TOKEN | {"KIND": "bearer", "KEY": KEY.pem(), "AUDIENCE": ORIGIN})
    text = proof(iss=ACCESS_TOKEN["ISSUER"], aud=ORIGIN, exp=time.time() + 60)
    bearer = request(None, Authorization=f"Bearer {text}")
    assert said(site.send(bearer)) == (401, "invalid_token")
    assert nothing_happened(site)
