"""Key sets in the shapes that issuers publish them, by their documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.tokens.answers import assert_inside, assert_invalid
from tests.tokens.issuer import Issuer
from tests.tokens.keypairs import KeyPair, keypair

Knock = Callable[..., Any]

CERTIFICATE = {"x5c": ["MIIC"], "x5t": "dGh1bWI", "x5t#S256": "dGh1bWJwcmludA"}


def keycloak() -> tuple[list[Any], KeyPair]:
    """A signing key, and one for encryption beside it."""
    pair = keypair("RS256", "FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE")
    encryption = keypair("RS256", "encryption").jwk(use="enc", alg="RSA-OAEP")
    return [encryption | CERTIFICATE, pair.jwk() | CERTIFICATE], pair


def auth0() -> tuple[list[Any], KeyPair]:
    """The current key and the next one, with certificates."""
    pair = keypair("RS256", "NEVCNDBCRUJDODE0")
    return [pair.jwk() | CERTIFICATE, keypair("RS256", "next").jwk() | CERTIFICATE], pair


def entra_id() -> tuple[list[Any], KeyPair]:
    """No alg, the kid is the thumbprint, and each key names its issuer and cloud."""
    pair = keypair("RS256", "thumbprint")
    more = {"x5t": "thumbprint", "x5c": ["MIIC"], "cloud_instance_name": "microsoftonline.com"}
    more["issuer"] = "https://login.microsoftonline.com/{tenantid}/v2.0"
    return [keypair("RS256", "old").jwk(alg=None) | more, pair.jwk(alg=None) | more], pair


def github() -> tuple[list[Any], KeyPair]:
    """Several RSA keys, all members in the set."""
    pair = keypair("RS256", "cc413527-173f-5a05-976e-9c52b1d7b431")
    return [pair.jwk() | CERTIFICATE, keypair("RS256", "other").jwk() | CERTIFICATE], pair


def gitlab() -> tuple[list[Any], KeyPair]:
    """Two RSA keys with use and alg."""
    pair = keypair("RS256", "kewiQq9jiC84CvSsJYOB-N6A8WFLSV20Mb-y7IlWDSQ")
    return [keypair("RS256", "old").jwk(), pair.jwk()], pair


def google() -> tuple[list[Any], KeyPair]:
    """Two keys, RS256."""
    pair = keypair("RS256", "ddf3cd1a0cd2ab5b9e1fac0c0a7f5c2b5e4a8d0f")
    return [pair.jwk(), keypair("RS256", "next").jwk()], pair


def kubernetes() -> tuple[list[Any], KeyPair]:
    """One key for each file of --service-account-key-file."""
    pair = keypair("RS256", "DHhUo5jh6DvBh0uoE2LsS4lHvQ2m1qJk3rM0a4-Zk8A")
    return [pair.jwk()], pair


def single_key() -> tuple[list[Any], KeyPair]:
    """One key without kid, use and alg, named by no token."""
    return [keypair("RS256").jwk(kid=None, use=None, alg=None)], keypair("RS256")


@pytest.mark.parametrize(
    "shape",
    [keycloak, auth0, entra_id, github, gitlab, google, kubernetes, single_key],
    ids=lambda shape: shape.__name__,
)
def test_key_sets_of_known_issuers_are_read(
    knock: Knock,
    configure: Callable[..., None],
    issuer: Issuer,
    caplog: pytest.LogCaptureFixture,
    shape: Callable[[], tuple[list[Any], KeyPair]],
) -> None:
    """A token of the issuer is accepted, a forged one is not, and nothing is complained of."""
    issuer.keys, pair = shape()
    configure(KEY=None, JWKS_URL=issuer.url, ALGORITHMS=["RS256"])
    header = {} if shape is single_key else {"kid": pair.kid}
    assert_inside(knock(pair.sign(header=header)))
    assert caplog.records == []
    forged = keypair("RS256", "evil").sign(header=header)
    assert_invalid(knock(forged), "The signature of the token is wrong.")
