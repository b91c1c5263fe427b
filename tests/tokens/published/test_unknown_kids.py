"""Tokens that name a key which is not known, made up or new."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from jti_replay.tokens import ages
from jti_replay.tokens.jwks import Held, RemoteKeys
from jti_replay.tokens.jwks_options import JwksOptions
from jti_replay.tokens.key_set import KeySet
from jti_replay.tokens.locations import JwksUrl
from jti_replay.tokens.parsing import read_unverified
from tests.stopwatch import takes_at_most
from tests.tokens.answers import (
    assert_inside,
    assert_invalid,
    assert_unavailable,
)
from tests.tokens.clock import Clock
from tests.tokens.doors import knock as sync_knock
from tests.tokens.issuer import Issuer
from tests.tokens.keypairs import KeyPair, keypair

Knock = Callable[..., Any]
Configure = Callable[..., None]


def test_made_up_kids_hold_no_request_while_the_issuer_hangs(
    options: Configure, issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    """One fetch per cool-down: the first waits, the next ones do not, even as it fails."""
    options(timeout=0.5)
    assert_inside(sync_knock(first.sign()))
    issuer.answer = issuer.hang
    with takes_at_most(3):  # 20 waits would take 10 s.
        for number in range(20):
            assert_unavailable(sync_knock(first.sign(header={"kid": f"made up {number}"})))
            assert_inside(sync_knock(first.sign()))
            clock.pass_by(1)
    assert issuer.fetches == 2
    clock.pass_by(11)
    assert_unavailable(sync_knock(first.sign(header={"kid": "one more"})))
    assert issuer.fetches == 3


def test_a_fetch_that_takes_long_is_not_waited_for_by_all(
    options: Configure, issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    """While keys are in hand, others join it in its first second alone."""
    release = threading.Event()

    def answer_late(handler: BaseHTTPRequestHandler) -> None:
        release.wait(30)
        issuer.publish(handler)

    options(timeout=30)
    assert_inside(sync_knock(first.sign()))
    issuer.answer = answer_late
    beginner = threading.Thread(target=sync_knock, args=[first.sign(header={"kid": "a"})])
    beginner.start()
    issuer.wait_for_fetch(2)
    clock.pass_by(1.1)
    with takes_at_most(0.5):
        assert_unavailable(sync_knock(first.sign(header={"kid": "b"})))
    assert beginner.is_alive()
    release.set()
    beginner.join()


def test_a_rotated_key_is_found_by_all_who_name_it_at_once(
    issuer: Issuer, first: KeyPair
) -> None:
    """One fetch, which the others join."""
    assert_inside(sync_knock(first.sign()))
    second, release = keypair("ES256", "second"), threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        release.wait(5)
        issuer.publish(handler)

    issuer.answer, issuer.keys = slowly, [second.jwk()]
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(sync_knock, second.sign()) for _ in range(5)]
        issuer.wait_for_fetch(2)
        release.set()
        for response in waiting:
            assert_inside(response.result())
    assert issuer.fetches == 2


def test_a_refusal_says_the_same_without_another_fetch(
    knock: Knock, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """The keys in hand tell the client and the log the reason, as those just fetched do."""
    caplog.set_level(logging.INFO, "jti_replay")
    for _ in range(2):
        token = keypair("ES384", "first").sign()
        assert_invalid(knock(token), "The token's algorithm does not fit its key.")
    assert issuer.fetches == 1
    assert caplog.text.count("Its alg is ES384, its kid 'first'. Published: 'first'.") == 2


def test_a_thousand_unknown_kids_cause_one_fetch(
    issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    assert_inside(sync_knock(first.sign()))
    with takes_at_most(20):
        for number in range(1_000):
            assert_invalid(sync_knock(first.sign(header={"kid": str(number)})))
    assert issuer.fetches == 2


def test_a_fetch_that_ends_at_this_moment_is_not_repeated(
    issuer: Issuer, first: KeyPair
) -> None:
    """Between a look at the keys in hand and the decision to fetch others."""
    options = JwksOptions()
    remote = RemoteKeys(JwksUrl(issuer.url, options), options)

    class Ending:
        def __enter__(self) -> None:
            remote._held = Held(KeySet([first.jwk()]), ages.Moment.now())

        def __exit__(self, *args: object) -> None:
            pass

    remote._lock = Ending()  # type: ignore[assignment]
    assert remote.get(read_unverified(first.sign()))
    assert issuer.fetches == 0


def test_a_thread_that_cannot_start_is_the_trouble_of_the_server(
    knock: Knock, first: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as context:
        context.setattr("jti_replay.tokens.jwks.threading.Thread.start", fail)
        assert_unavailable(sync_knock(first.sign()))
    assert_inside(knock(first.sign()))
