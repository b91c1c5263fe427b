"""What a token is verified with: a KEY in the settings, or a function that has it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import jwt
import pytest
from django.core.exceptions import ImproperlyConfigured

from . import key_functions
from .answers import (
    assert_inside,
    assert_invalid,
    assert_nothing_reserved,
    assert_unavailable,
)
from .doors import aknock
from .keypairs import keypair
from .tokens import ISSUER, SECRET, good_claims, signed

Knock = Callable[..., Any]
Configure = Callable[..., None]

FUNCTIONS = "tests.tokens.key_functions"
UNKNOWN = "The token is signed with an unknown key."
NOT_ACCEPTED = "The token is signed with an algorithm that is not accepted."
UNFIT = "The token's algorithm does not fit its key."


# Secrets and public keys.


@pytest.mark.parametrize("key", [SECRET, SECRET.encode(), "pässwörter, 32 bytes long or more"])
def test_a_secret_is_text_or_bytes(knock: Knock, configure: Configure, key: Any) -> None:
    configure(KEY=key)
    assert_inside(knock(signed(key=key)))
    assert_invalid(knock(signed(key="another secret, as long as it has to be")))


def test_a_secret_in_bytes_may_look_like_a_path(knock: Knock, configure: Configure) -> None:
    key = b"not.a.path.but.a.secret.of.some.length"
    configure(KEY=key)
    assert_inside(knock(signed(key=key)))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_each_hmac_algorithm_verifies(
    knock: Knock, configure: Configure, algorithm: str
) -> None:
    configure(KEY="x" * 64, ALGORITHMS=[algorithm])
    assert_inside(knock(signed(key="x" * 64, algorithm=algorithm)))


@pytest.mark.parametrize("encode", [str, str.encode])
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "EdDSA"])
def test_a_public_key_is_given_in_pem(
    knock: Knock, configure: Configure, algorithm: str, encode: Any
) -> None:
    pair = keypair(algorithm)
    configure(KEY=encode(pair.pem()), ALGORITHMS=[algorithm])
    assert_inside(knock(pair.sign()))
    assert_invalid(
        knock(keypair(algorithm, "another").sign()), "The signature of the token is wrong."
    )


def test_a_public_key_serves_all_algorithms_of_its_kind(
    knock: Knock, configure: Configure
) -> None:
    pair = keypair("RS256")
    configure(KEY=pair.pem(), ALGORITHMS=("RS256", "PS256", "RS512"))
    for algorithm in ("RS256", "PS256", "RS512"):
        assert_inside(knock(pair.sign(algorithm=algorithm)))
    assert_invalid(knock(pair.sign(algorithm="PS512")))


@pytest.mark.parametrize(
    ("key", "algorithms", "says"),
    [
        ("", ["HS256"], "must not be empty"),
        ("short", ["HS256"], "too short"),
        (b"31 bytes, one less than needed.", ["HS256"], "too short"),
        (SECRET, ["HS256", "HS512"], "too short"),
        (SECRET, ["RS256"], "cannot be used with RS256"),
        (SECRET, ["ES256"], "cannot be used with ES256"),
        (SECRET, ["EdDSA"], "cannot be used with EdDSA"),
        (b"\xff" * 40, ["EdDSA"], "cannot be used with EdDSA"),
        ("a lone surrogate, \ud800, in a secret", ["HS256"], "cannot be used with HS256"),
        (keypair("RS256").pem(), ["HS256"], "cannot be used with HS256"),
        (keypair("RS256").pem(), ["RS256", "HS256"], "cannot be used with HS256"),
        (keypair("RS256").pem(), ["RS256", "ES256"], "cannot be used with ES256"),
        (keypair("ES256").pem(), ["ES256", "ES384"], "cannot be used with ES384"),
        (keypair("ES256").pem(), ["RS256"], "cannot be used with RS256"),
        (keypair("RS256").private_pem(), ["RS256"], "private key"),
        (keypair("ES256").private_pem(), ["ES256"], "private key"),
        (keypair("EdDSA").private_pem(), ["EdDSA"], "private key"),
        (keypair("ES256").pem()[:-40], ["ES256"], "cannot be used with ES256"),
        (17, ["HS256"], "must be a str or bytes"),
        (None, ["HS256"], "must be a str or bytes"),
        (["a", "b"], ["HS256"], "must be a str or bytes"),
    ],
)
def test_a_key_that_does_not_fit_its_algorithms_is_refused(
    knock: Knock,
    configure: Configure,
    settings: Any,
    key: Any,
    algorithms: list[str],
    says: str,
) -> None:
    profiles = {"default": {"KEY": key, "ALGORITHMS": algorithms}}
    settings.JTI_REPLAY = {"PROFILES": profiles}
    with pytest.raises(ImproperlyConfigured) as refusal:
        knock(signed(key="x" * 64, algorithm="HS256"))
    assert says in str(refusal.value)
    assert "jti_replay.E013" in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert_nothing_reserved()


# Functions.


@pytest.mark.parametrize(
    "key",
    [
        f"{FUNCTIONS}.secret",
        f"{FUNCTIONS}.async_secret",
        f"{FUNCTIONS}.keyring",
        f"{FUNCTIONS}.async_keyring",
        f"{FUNCTIONS}.by_issuer",
        key_functions.secret,
        key_functions.async_secret,
        key_functions.keyring,
        key_functions.async_keyring,
        partial(key_functions.secret),
        partial(key_functions.async_secret),
        lambda header, claims: SECRET.encode(),
    ],
)
def test_a_function_gives_the_key(knock: Knock, configure: Configure, key: Any) -> None:
    configure(KEY=key)
    assert_inside(knock(signed()))
    assert_invalid(
        knock(signed(key="another secret, as long as it has to be")),
        "The signature of the token is wrong.",
    )


def test_a_function_may_give_a_key_object(knock: Knock, configure: Configure) -> None:
    configure(KEY=f"{FUNCTIONS}.public_object", ALGORITHMS=["RS256", "PS256"])
    pair = keypair("RS256")
    assert_inside(knock(pair.sign()))
    assert_inside(knock(pair.sign(algorithm="PS256")))
    assert_invalid(knock(keypair("RS256", "another").sign()))


@pytest.mark.parametrize("sent", ["EdDSA", "ES256"])
def test_a_function_gives_no_other_algorithm(
    knock: Knock, configure: Configure, sent: str
) -> None:
    """What ALGORITHMS leaves out is refused, though there is a key for it."""
    configure(KEY=lambda header, claims: keypair(sent).pem(), ALGORITHMS=["RS256"])
    assert_invalid(knock(keypair(sent).sign()), NOT_ACCEPTED)


def test_a_function_may_give_a_key_of_pyjwt(knock: Knock, configure: Configure) -> None:
    """It has an algorithm of its own, which is to be that of the token."""
    key = jwt.PyJWK(keypair("RS256").jwk())
    configure(KEY=lambda header, claims: key, ALGORITHMS=["RS256", "PS256"])
    assert_inside(knock(keypair("RS256").sign()))
    assert_invalid(knock(keypair("RS256").sign(algorithm="PS256")), UNFIT)


def test_a_function_is_shown_header_and_claims(knock: Knock, configure: Configure) -> None:
    """In this order, whether it is sync or async."""
    seen: list[Any] = []

    def key(header: Any, claims: Any) -> str:
        seen.append((header, claims))
        return SECRET

    async def async_key(header: Any, claims: Any) -> str:
        return key(header, claims)

    for function in (key, async_key):
        configure(KEY=function)
        claims = good_claims()
        assert_inside(knock(signed(claims, header={"kid": "7"})))
        assert seen.pop() == ({"alg": "HS256", "typ": "JWT", "kid": "7"}, claims)
        assert seen == []


def test_a_function_is_not_asked_about_what_is_no_token(
    knock: Knock, configure: Configure
) -> None:
    def key(header: Any, claims: Any) -> str:
        raise AssertionError("asked")

    configure(KEY=key)
    assert_invalid(knock("a.b.c"), "The token is malformed.")


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "absent_in_a_dict",
        "absent_in_the_database",
        "async_nothing",
        "async_absent",
    ],
)
def test_a_function_without_a_key_for_a_token_refuses_it(
    knock: Knock, configure: Configure, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    configure(KEY=f"{FUNCTIONS}.{name}")
    assert_invalid(knock(signed()), UNKNOWN)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert_nothing_reserved()


@pytest.mark.parametrize("name", ["refusing", "async_refusing"])
def test_a_function_may_say_why_it_refuses(
    knock: Knock, configure: Configure, name: str
) -> None:
    configure(KEY=f"{FUNCTIONS}.{name}")
    assert_invalid(knock(signed()), "The tenant is blocked.")


def test_the_issuer_that_a_function_does_not_know_is_refused(
    knock: Knock, configure: Configure
) -> None:
    configure(KEY=f"{FUNCTIONS}.by_issuer", ISSUER=None)
    assert_inside(knock(signed(iss=ISSUER)))
    assert_invalid(knock(signed(iss="https://another.example")), UNKNOWN)
    assert_invalid(knock(signed(iss=None)), UNKNOWN)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("failing", "OSError: the vault is down"),
        ("async_failing", "OSError: the vault is down"),
        ("misconfigured", "no vault"),
        ("without_a_match", "StopIteration"),
        ("async_without_a_match", "StopIteration"),
        ("one_argument", "TypeError"),
        ("empty", "must not be empty"),
        ("number", "TypeError"),
    ],
)
def test_a_function_that_fails_is_the_trouble_of_the_server(
    knock: Knock, configure: Configure, caplog: pytest.LogCaptureFixture, name: str, says: str
) -> None:
    configure(KEY=f"{FUNCTIONS}.{name}")
    token = signed()
    assert_unavailable(knock(token))
    [record] = [record for record in caplog.records if record.name == "jti_replay"]
    assert record.levelno == logging.ERROR
    assert says in record.getMessage()
    assert token not in caplog.text
    assert_nothing_reserved()


def test_a_key_that_cannot_verify_is_the_trouble_of_the_server(
    knock: Knock, configure: Configure
) -> None:
    configure(KEY=f"{FUNCTIONS}.private_object", ALGORITHMS=["RS256"])
    assert_unavailable(knock(keypair("RS256").sign()))
    assert_nothing_reserved()


async def test_a_sync_function_does_not_block_the_event_loop(configure: Configure) -> None:
    loop, asked, answer = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def key(header: Any, claims: Any) -> str:
        loop.call_soon_threadsafe(asked.set)
        assert answer.wait(5)
        return SECRET

    configure(KEY=key)
    waiting = asyncio.create_task(aknock(signed()))
    await asyncio.wait_for(asked.wait(), 5)
    assert not waiting.done()
    answer.set()
    assert_inside(await waiting)


@pytest.mark.parametrize(
    "path",
    [
        "no_such_module_anywhere.function_that_gives_the_key",
        "tests.tokens.key_functions.no_such_function_in_there",
        "tests.tokens.key_functions.NOT_CALLABLE",
        "tests.tokens.broken_module.function_that_gives_it",
        "tests.no_such_package.no_such_module.no_such_function",
        "os.path",
    ],
)
def test_a_path_that_names_no_function_is_never_a_secret(
    knock: Knock, configure: Configure, path: str
) -> None:
    """Anybody could guess it."""
    configure(KEY=path)
    with pytest.raises(ImproperlyConfigured, match=r"KEY .*\(jti_replay.E013\)"):
        knock(signed(key=path.ljust(32, ".")))
    assert_nothing_reserved()
