"""JWKs and JWK Sets that a key function gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .answers import assert_inside, assert_invalid, assert_unavailable
from .keypairs import keypair
from .tokens import SECRET, base64url, signed

Knock = Callable[..., Any]
Configure = Callable[..., None]

UNKNOWN = "The token is signed with an unknown key."
UNFIT = "The token's algorithm does not fit its key."


@pytest.mark.parametrize("kid", [None, "first", "second"])
def test_a_function_may_give_a_jwk(knock: Knock, configure: Configure, kid: str | None) -> None:
    """Its kid, if it has one, is that of the token."""
    jwk = keypair("ES256").jwk(kid=kid)
    configure(KEY=lambda header, claims: jwk, ALGORITHMS=["ES256"])
    response = knock(keypair("ES256").sign())
    if kid == "second":
        assert_invalid(response, UNKNOWN)
    else:
        assert_inside(response)


def test_a_function_may_give_a_jwk_set(knock: Knock, configure: Configure) -> None:
    """kid, alg and kty pick the key; the secrets in it are the project's own."""
    first, second = keypair("ES256"), keypair("ES256", "second")
    jwks = {
        "keys": [
            first.jwk(),
            second.jwk(),
            {"kty": "oct", "kid": "shared", "k": base64url(SECRET.encode())},
        ]
    }
    configure(KEY=lambda header, claims: jwks, ALGORITHMS=["ES256", "HS256"])
    assert_inside(knock(first.sign()))
    assert_inside(knock(second.sign()))
    assert_inside(knock(signed(header={"kid": "shared"})))
    assert_invalid(knock(keypair("ES256", "evil").named("first").sign()))
    assert_invalid(knock(first.sign(header={"kid": "shared"})), UNFIT)


@pytest.mark.parametrize(
    "jwk", [{"keys": "none"}, {"kty": "XX"}, {}, keypair("ES256").private_jwk()]
)
def test_a_jwk_that_cannot_be_used_is_the_trouble_of_the_server(
    knock: Knock, configure: Configure, jwk: Any
) -> None:
    configure(KEY=lambda header, claims: jwk, ALGORITHMS=["ES256"])
    assert_unavailable(knock(keypair("ES256").sign()))


@pytest.mark.parametrize("keys", [[], [{"kty": "XX"}, keypair("ES256", "second").jwk()]])
def test_a_jwk_set_without_the_key_refuses_the_token(
    knock: Knock, configure: Configure, keys: list[Any]
) -> None:
    """As long as it has a usable key, or nothing that should have been one."""
    configure(KEY=lambda header, claims: {"keys": keys}, ALGORITHMS=["ES256"])
    assert_invalid(knock(keypair("ES256").sign()), UNKNOWN)
