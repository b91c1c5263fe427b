"""An issuer that does not answer."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from jti_replay.tokens import jwks
from jti_replay.tokens.jwks_options import DEFAULT_OPTIONS
from tests.stopwatch import takes_at_most
from tests.tokens.answers import (
    assert_inside,
    assert_nothing_reserved,
    assert_unavailable,
)
from tests.tokens.clock import Clock
from tests.tokens.doors import aknock
from tests.tokens.doors import knock as sync_knock
from tests.tokens.issuer import Issuer, respond
from tests.tokens.keypairs import KeyPair

from . import ending
from .conftest import (
    wait_until_fetched,
)

Knock = Callable[..., Any]
Configure = Callable[..., None]


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
    with takes_at_most(impatient + 1, at_least=impatient * 0.9):
        assert_unavailable(knock(first.sign()))
        assert_unavailable(knock(first.sign()))  # Moments later, without waiting again.
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


def test_known_keys_are_not_held_up_by_a_fetch(
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


def test_an_event_loop_that_ends_early_leaves_nothing_behind(
    impatient: float, issuer: Issuer, first: KeyPair, caplog: pytest.LogCaptureFixture
) -> None:
    """As when an async view is served by WSGI: each request has a loop of its own."""
    issuer.answer = issuer.hang
    assert_unavailable(asyncio.run(aknock(first.sign())))
    wait_until_fetched()
    assert {record.name for record in caplog.records} == {"jti_replay"}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_process_that_ends_waits_for_no_fetch(issuer: Issuer, first: KeyPair) -> None:
    """However long the fetch may take, as when a server is stopped."""
    issuer.answer = issuer.hang
    command = [sys.executable, "-m", ending.__name__, issuer.url, first.sign()]
    subprocess.run(command, timeout=60, check=True)


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
    with takes_at_most(impatient + 1), ThreadPoolExecutor(20) as pool:
        for response in pool.map(sync_knock, [first.sign() for _ in range(20)]):
            assert_unavailable(response)
    assert issuer.fetches == 1
