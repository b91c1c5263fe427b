"""Keys that an issuer publishes, over real HTTP."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from jti_replay.tokens import jwks
from jti_replay.tokens.jwks_options import DEFAULT_OPTIONS

from .answers import (
    assert_inside,
    assert_invalid,
    assert_nothing_reserved,
    assert_unavailable,
)
from .clock import Clock
from .doors import aknock
from .doors import knock as sync_knock
from .issuer import Issuer, respond
from .keypairs import KeyPair, keypair
from .tokens import base64url, signed

Knock = Callable[..., Any]
Configure = Callable[..., None]

UNKNOWN = "The token is signed with an unknown key."
UNFIT = "The token's algorithm does not fit its key."


LIFESPAN = DEFAULT_OPTIONS.lifespan
REFRESH_AFTER = LIFESPAN * jwks.REFRESH_AT


@pytest.fixture
def impatient(publish: Configure) -> float:
    """Give a fetch up sooner than in five seconds, so that the tests are fast."""
    publish(JWKS_OPTIONS={"timeout": 0.6})
    return 0.6


@pytest.fixture
def first() -> KeyPair:
    return keypair("ES256", "first")


@pytest.fixture
def second() -> KeyPair:
    return keypair("ES256", "second")


@pytest.fixture
def publish(configure: Configure, issuer: Issuer) -> Configure:
    """Give a function that changes the profile whose keys are published."""
    return partial(
        configure,
        KEY=None,
        JWKS_URL=issuer.url,
        ALGORITHMS=["ES256", "ES384", "RS256", "PS256"],
    )


@pytest.fixture(autouse=True)
def _profile(publish: Configure, issuer: Issuer, first: KeyPair) -> None:
    issuer.keys = [first.jwk()]
    publish()


def wait_until_fetched() -> None:
    """Wait for the fetches that nobody else waits for."""
    for thread in threading.enumerate():
        if thread.name == "jti_replay.jwks":
            thread.join(5)
            assert not thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


# The key that a token names.


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


def test_an_algorithm_that_is_not_listed_makes_nobody_fetch(
    knock: Knock, issuer: Issuer
) -> None:
    for algorithm in ("HS256", "HS512"):
        token = signed(key="x" * 64, algorithm=algorithm, header={"kid": "first"})
        assert_invalid(knock(token))
    assert_invalid(knock("a.b.c"))
    assert issuer.fetches == 0


# Rotation.


def test_a_new_key_is_found_at_once(
    knock: Knock, issuer: Issuer, first: KeyPair, second: KeyPair
) -> None:
    assert_inside(knock(first.sign()))
    issuer.keys = [first.jwk(), second.jwk()]
    assert_inside(knock(second.sign()))
    assert_inside(knock(first.sign()))
    assert issuer.fetches == 2


def test_each_of_several_rotations_is_found_at_once(knock: Knock, issuer: Issuer) -> None:
    for number in range(5):
        pair = keypair("ES256", str(number))
        issuer.keys.append(pair.jwk())
        assert_inside(knock(pair.sign()))


def test_a_new_key_is_found_late_by_the_cooldown_at_most(
    knock: Knock, issuer: Issuer, second: KeyPair, clock: Clock
) -> None:
    """After somebody sent tokens of a key that nobody knows."""
    assert_invalid(knock(keypair("ES256", "evil").sign()), UNKNOWN)
    issuer.keys = [second.jwk()]
    assert_invalid(knock(second.sign()), UNKNOWN)
    clock.pass_by(29)
    assert_invalid(knock(second.sign()), UNKNOWN)
    clock.pass_by(1)
    assert_inside(knock(second.sign()))


def test_unknown_keys_do_not_hammer_the_issuer(
    knock: Knock, issuer: Issuer, first: KeyPair
) -> None:
    for number in range(50):
        assert_invalid(knock(first.sign(header={"kid": f"random {number}"})), UNKNOWN)
    assert issuer.fetches <= 2
    assert_inside(knock(first.sign()))
    assert issuer.fetches <= 2


def test_unknown_keys_at_once_do_not_hammer_the_issuer(issuer: Issuer, first: KeyPair) -> None:
    tokens = [first.sign(header={"kid": f"random {number}"}) for number in range(50)]
    with ThreadPoolExecutor(20) as pool:
        for response in pool.map(sync_knock, tokens):
            assert_invalid(response, UNKNOWN)
    assert issuer.fetches <= 2


def test_a_withdrawn_key_is_refused_when_the_keys_are_too_old(
    knock: Knock, issuer: Issuer, first: KeyPair, second: KeyPair, clock: Clock
) -> None:
    assert_inside(knock(first.sign()))
    issuer.keys = [second.jwk()]
    clock.pass_by(LIFESPAN + 1)
    assert_invalid(knock(first.sign()), UNKNOWN)
    assert_inside(knock(second.sign()))


def test_keys_are_fetched_ahead_of_time_behind_the_requests(
    knock: Knock, issuer: Issuer, first: KeyPair, second: KeyPair, clock: Clock
) -> None:
    assert_inside(knock(first.sign()))
    clock.pass_by(REFRESH_AFTER - 1)
    assert_inside(knock(first.sign()))
    assert issuer.fetches == 1
    release = threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        release.wait(5)
        issuer.publish(handler)

    issuer.answer = slowly
    issuer.keys = [second.jwk()]
    clock.pass_by(2)
    for _ in range(3):
        assert_inside(knock(first.sign()))  # It does not wait.
    wait_until(lambda: issuer.fetches == 2)
    release.set()
    wait_until_fetched()
    assert_inside(knock(second.sign()))
    assert issuer.fetches == 2
    assert_invalid(knock(first.sign()), UNKNOWN)


def test_known_keys_outlive_an_issuer_that_is_down(
    knock: Knock, issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    """Until they are too old: what was withdrawn meanwhile, nobody could hear."""
    assert_inside(knock(first.sign()))
    issuer.go_down()
    clock.pass_by(REFRESH_AFTER + 1)
    for _ in range(5):
        assert_inside(knock(first.sign()))
    clock.pass_by(LIFESPAN - REFRESH_AFTER)
    assert_unavailable(knock(first.sign()))


# An issuer that does not answer.


def test_an_issuer_that_is_down_is_the_trouble_of_the_server(
    knock: Knock, issuer: Issuer, first: KeyPair, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.go_down()
    token = first.sign()
    assert_unavailable(knock(token))
    [record] = [record for record in caplog.records if record.name == "jti_replay"]
    assert record.levelno == logging.ERROR
    assert issuer.url in record.getMessage()
    assert token not in caplog.text
    assert_nothing_reserved()


def test_an_issuer_that_comes_back_is_noticed(
    knock: Knock, issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    issuer.go_down()
    token = first.sign()
    assert_unavailable(knock(token))
    issuer.come_up()
    assert_unavailable(knock(token))
    assert issuer.fetches == 0  # It is let alone for a moment.
    clock.pass_by(jwks.FAILURE_COOLDOWN)
    assert_inside(knock(token))


def test_a_failing_issuer_is_asked_once_in_a_second(
    knock: Knock, issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    issuer.answer = lambda handler: respond(handler, 500, b"")
    for _ in range(20):
        assert_unavailable(knock(first.sign()))
    assert issuer.fetches == 1
    clock.pass_by(jwks.FAILURE_COOLDOWN)
    assert_unavailable(knock(first.sign()))
    assert issuer.fetches == 2


@pytest.fixture(params=["hang", "drip"])
def stuck(request: pytest.FixtureRequest, issuer: Issuer) -> Callable[[], None]:
    """Let the issuer accept connections, and send nothing or a byte at a time."""
    return lambda: setattr(issuer, "answer", getattr(issuer, request.param))


def test_a_fetch_is_given_up_after_five_seconds() -> None:
    assert DEFAULT_OPTIONS.timeout == 5


def test_an_issuer_that_does_not_answer_is_given_up(
    impatient: float,
    knock: Knock,
    stuck: Callable[[], None],
    configure: Configure,
    issuer: Issuer,
    first: KeyPair,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck()
    begun = time.monotonic()
    assert_unavailable(knock(first.sign()))
    assert impatient * 0.9 < time.monotonic() - begun < impatient + 1
    assert_unavailable(knock(first.sign()))  # Moments later, without waiting again.
    assert time.monotonic() - begun < impatient + 1
    assert issuer.fetches == 1
    assert_nothing_reserved()
    assert {record.name for record in caplog.records} == {"jti_replay"}


def test_an_issuer_that_answers_again_is_noticed(
    impatient: float,
    knock: Knock,
    stuck: Callable[[], None],
    issuer: Issuer,
    first: KeyPair,
    clock: Clock,
) -> None:
    stuck()
    token = first.sign()
    assert_unavailable(knock(token))
    issuer.answer = issuer.publish
    clock.pass_by(jwks.FAILURE_COOLDOWN)
    assert_inside(knock(token))


def test_nothing_is_left_of_a_fetch_that_was_given_up(
    impatient: float, knock: Knock, issuer: Issuer, first: KeyPair
) -> None:
    """A server that sends a byte now and then holds neither a thread nor a socket."""
    cut_off = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        try:
            issuer.drip(handler)
        except OSError:
            cut_off.set()

    issuer.answer = drip
    assert_unavailable(knock(first.sign()))
    wait_until_fetched()
    assert cut_off.wait(5)


def test_known_keys_are_not_held_up_meanwhile(
    impatient: float,
    stuck: Callable[[], None],
    issuer: Issuer,
    first: KeyPair,
    second: KeyPair,
) -> None:
    assert_inside(sync_knock(first.sign()))
    stuck()
    issuer.asked.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sync_knock, second.sign())
        assert issuer.asked.wait(5)
        for _ in range(2):
            assert_inside(sync_knock(first.sign()))
        assert not waiting.done()
        assert_unavailable(waiting.result(5))


async def test_neither_is_the_event_loop(
    impatient: float,
    stuck: Callable[[], None],
    issuer: Issuer,
    first: KeyPair,
    second: KeyPair,
) -> None:
    assert_inside(await aknock(first.sign()))
    stuck()
    issuer.asked.clear()
    waiting = asyncio.create_task(aknock(second.sign()))
    assert await asyncio.to_thread(issuer.asked.wait, 5)
    for _ in range(2):
        assert_inside(await aknock(first.sign()))
    assert not waiting.done()
    assert_unavailable(await waiting)


async def test_a_client_that_goes_away_does_not_take_the_fetch_along(
    issuer: Issuer, first: KeyPair
) -> None:
    release = threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        release.wait(5)
        issuer.publish(handler)

    issuer.answer = slowly
    gone, waiting = (asyncio.create_task(aknock(first.sign())) for _ in range(2))
    assert await asyncio.to_thread(issuer.asked.wait, 5)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    release.set()
    assert_inside(await waiting)
    assert issuer.fetches == 1


def test_an_event_loop_that_ends_before_its_fetch_leaves_nothing_behind(
    impatient: float, issuer: Issuer, first: KeyPair, caplog: pytest.LogCaptureFixture
) -> None:
    """As when an async view is served by WSGI: each request has a loop of its own."""
    issuer.answer = issuer.hang
    assert_unavailable(asyncio.run(aknock(first.sign())))
    wait_until_fetched()
    assert {record.name for record in caplog.records} == {"jti_replay"}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_concurrent_requests_share_one_fetch(issuer: Issuer, first: KeyPair) -> None:
    release = threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        release.wait(5)
        issuer.publish(handler)

    issuer.answer = slowly
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(sync_knock, first.sign()) for _ in range(10)]
        waiting += [pool.submit(lambda: asyncio.run(aknock(first.sign()))) for _ in range(10)]
        assert issuer.asked.wait(5)
        release.set()
        for request in waiting:
            assert_inside(request.result(5))
    assert issuer.fetches == 1


def test_concurrent_requests_share_one_failure(
    impatient: float, issuer: Issuer, first: KeyPair
) -> None:
    issuer.answer = issuer.hang
    begun = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        for response in pool.map(sync_knock, [first.sign() for _ in range(20)]):
            assert_unavailable(response)
    assert time.monotonic() - begun < impatient + 1
    assert issuer.fetches == 1


# An issuer that answers something else.


def say(status: int, body: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    return partial(respond, status=status, body=body, **headers)


@pytest.mark.parametrize(
    "answer",
    [
        say(404, b'{"keys": []}'),
        say(500, b""),
        say(503, b"", **{"Retry-After": "3600"}),
        say(204, b""),
        say(200, b""),
        say(200, b"<!doctype html><title>Maintenance</title>"),
        say(200, b"\xff\xfe\xff"),
        say(200, b"[]"),
        say(200, b"null"),
        say(200, b'"keys"'),
        say(200, b"{}"),
        say(200, b'{"keys": null}'),
        say(200, b'{"keys": {"first": 1}}'),
        say(200, b'{"keys": "first"}'),
        say(200, b'{"keys": []}'),
        say(200, b'{"keys": [' + b"[" * 200_000),
    ],
)
def test_an_answer_that_is_no_key_set_is_the_trouble_of_the_server(
    knock: Knock, issuer: Issuer, first: KeyPair, clock: Clock, answer: Any
) -> None:
    issuer.answer = answer
    token = first.sign()
    assert_unavailable(knock(token))
    assert_nothing_reserved()
    issuer.answer = issuer.publish
    clock.pass_by(jwks.FAILURE_COOLDOWN)
    assert_inside(knock(token))


def test_an_answer_that_is_no_key_set_does_not_take_the_known_keys(
    knock: Knock, issuer: Issuer, first: KeyPair, second: KeyPair
) -> None:
    assert_inside(knock(first.sign()))
    issuer.keys = []
    assert_unavailable(knock(second.sign()))
    assert_inside(knock(first.sign()))


def test_a_connection_that_is_closed_without_an_answer_is_the_trouble_of_the_server(
    knock: Knock, issuer: Issuer, first: KeyPair
) -> None:
    issuer.answer = lambda handler: handler.connection.close()
    assert_unavailable(knock(first.sign()))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    knock: Knock, issuer: Issuer, first: KeyPair, status: int
) -> None:
    with Issuer() as other:
        other.keys = [first.jwk()]
        issuer.answer = say(status, b"", Location=other.url)
        assert_unavailable(knock(first.sign()))
        assert other.fetches == 0
    assert_nothing_reserved()


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


def test_a_published_key_that_is_too_short_is_the_trouble_of_the_server(
    knock: Knock, issuer: Issuer
) -> None:
    pair = KeyPair(rsa.generate_private_key(65537, 1024), "RS256", "short")
    issuer.keys = [pair.jwk()]
    with pytest.warns(UserWarning, match="1024 bits"):
        token = pair.sign()
    assert_unavailable(knock(token))
    assert_nothing_reserved()
