"""For how long published keys are trusted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from jti_replay.tokens import ages
from tests.stopwatch import takes_at_most
from tests.tokens.answers import (
    assert_inside,
    assert_invalid,
    assert_unavailable,
)
from tests.tokens.clock import Clock
from tests.tokens.issuer import Issuer
from tests.tokens.keypairs import KeyPair, keypair

from .conftest import (
    fetching,
)

Knock = Callable[..., Any]
Configure = Callable[..., None]


@pytest.mark.parametrize("ahead", ["monotonic_ahead", "wall_ahead"])
def test_the_older_age_of_two_clocks_counts(
    knock: Knock, issuer: Issuer, first: KeyPair, clock: Clock, ahead: str
) -> None:
    """A suspended machine's monotonic clock stands still."""
    assert_inside(knock(first.sign()))
    issuer.keys = [keypair("ES256", "second").jwk()]
    setattr(clock, ahead, 301)
    assert_invalid(knock(first.sign()))


def test_a_clock_that_is_set_back_makes_no_key_younger(clock: Clock) -> None:
    moment = ages.Moment.now()
    clock.pass_by(100)
    clock.wall_ahead -= 1_000
    assert moment.age == 100
    assert ages.LONG_AGO.age == float("inf")


def test_lifespan_is_for_how_long_keys_are_trusted(
    knock: Knock, options: Configure, issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    options(lifespan=10)
    assert_inside(knock(first.sign()))
    issuer.go_down()
    clock.pass_by(10)
    assert_inside(knock(first.sign()))
    clock.pass_by(1)
    assert_unavailable(knock(first.sign()))


def test_stale_keys_serve_while_fetches_fail(
    knock: Knock,
    options: Configure,
    issuer: Issuer,
    first: KeyPair,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For max_stale after the lifespan, and not longer. The log says so."""
    options(lifespan=10, max_stale=20)
    assert_inside(knock(first.sign()))
    issuer.go_down()
    for _ in range(2):
        clock.pass_by(14)
        assert_inside(knock(first.sign()))
        for thread in fetching():
            thread.join(5)
    assert caplog.text.count("The keys in hand go on.") == 2
    clock.pass_by(3)
    assert_unavailable(knock(first.sign()))
    issuer.come_up()
    clock.pass_by(1)
    assert_inside(knock(first.sign()))


def test_stale_keys_hold_no_request_up(
    knock: Knock, options: Configure, issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    """The fetch runs behind, and a key that it brings not is refused."""
    options(lifespan=10, max_stale=20, timeout=3)
    assert_inside(knock(first.sign()))
    release = threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        release.wait(5)
        issuer.publish(handler)

    issuer.answer, issuer.keys = slowly, [keypair("ES256", "second").jwk()]
    clock.pass_by(15)
    with takes_at_most(1):
        for _ in range(3):
            assert_inside(knock(first.sign()))
    release.set()
    for thread in fetching():
        thread.join(5)
    assert_invalid(knock(first.sign()))
