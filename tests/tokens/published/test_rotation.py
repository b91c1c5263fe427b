"""Keys that change, and are fetched again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.tokens.answers import (
    assert_inside,
    assert_invalid,
    assert_unavailable,
)
from tests.tokens.clock import Clock
from tests.tokens.doors import knock as sync_knock
from tests.tokens.issuer import Issuer
from tests.tokens.keypairs import KeyPair, keypair

from .conftest import (
    LIFESPAN,
    REFRESH_AFTER,
    UNKNOWN,
    wait_until,
    wait_until_fetched,
)

Knock = Callable[..., Any]
Configure = Callable[..., None]


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
    """After tokens of an unknown key."""
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
    clock.pass_by(REFRESH_AFTER)
    assert_inside(knock(first.sign()))
    wait_until_fetched()
    assert issuer.fetches == 1
    release = threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        release.wait(5)
        issuer.publish(handler)

    issuer.answer = slowly
    issuer.keys = [second.jwk()]
    clock.pass_by(1)
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
    """Until they are too old, because one of them may have been withdrawn."""
    assert_inside(knock(first.sign()))
    issuer.go_down()
    clock.pass_by(REFRESH_AFTER + 1)
    for _ in range(5):
        assert_inside(knock(first.sign()))
    clock.pass_by(LIFESPAN - REFRESH_AFTER)
    assert_unavailable(knock(first.sign()))
