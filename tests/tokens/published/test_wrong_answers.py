"""An issuer that answers something else than a key set."""

from __future__ import annotations

import gzip
import json
import random
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from jti_replay.tokens import fetch, jwks
from jti_replay.tokens.deadlines import Deadline
from tests.tokens.answers import (
    assert_inside,
    assert_nothing_reserved,
    assert_unavailable,
)
from tests.tokens.clock import Clock
from tests.tokens.doors import knock as sync_knock
from tests.tokens.issuer import Issuer, respond
from tests.tokens.keypairs import KeyPair

from .conftest import (
    error_in,
)

Knock = Callable[..., Any]
Configure = Callable[..., None]


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
def test_an_answer_that_is_no_key_set_is_answered_503(
    knock: Knock, issuer: Issuer, first: KeyPair, clock: Clock, answer: Any
) -> None:
    issuer.answer = answer
    token = first.sign()
    assert_unavailable(knock(token))
    assert_nothing_reserved()
    issuer.answer = issuer.publish
    clock.pass_by(jwks.FAILURE_COOLDOWN)
    assert_inside(knock(token))


def test_an_answer_that_is_no_key_set_leaves_the_known_keys(
    knock: Knock, issuer: Issuer, first: KeyPair, second: KeyPair
) -> None:
    assert_inside(knock(first.sign()))
    issuer.keys = []
    assert_unavailable(knock(second.sign()))
    assert_inside(knock(first.sign()))


def test_a_connection_closed_without_an_answer_is_answered_503(
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


def error_of(issuer: Issuer, seconds: float = 10) -> str:
    with pytest.raises(fetch.FetchError) as caught:
        fetch.fetch_json(issuer.url, Deadline(seconds), headers={})
    return str(caught.value)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (299, "The answer is no JSON."),
        (300, "The answer has status 300. Redirects are not followed."),
        (399, "The answer has status 399. Redirects are not followed."),
        (400, "The answer has status 400."),
        (500, "The answer has status 500."),
    ],
)
def test_an_error_names_the_status(issuer: Issuer, status: int, says: str) -> None:
    issuer.answer = say(status, b"")
    assert error_of(issuer) == says


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_an_error_names_the_limit(issuer: Issuer, answer: str) -> None:
    issuer.answer = getattr(issuer, answer)
    assert error_of(issuer, 0.25) == "There was no complete answer within 0.25 s."


def test_an_error_names_its_cause(issuer: Issuer) -> None:
    issuer.go_down()
    assert error_of(issuer).startswith("ConnectionRefusedError: ")


def compressed(body: bytes, encoding: str = "gzip") -> Callable[..., None]:
    return lambda handler: respond(handler, 200, body, **{"Content-Encoding": encoding})


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_an_answer_that_is_compressed_unasked_is_read(
    knock: Knock, issuer: Issuer, first: KeyPair, encoding: str
) -> None:
    far = random.randbytes(12_000).hex()  # It is found again 24 KiB later.
    body = gzip.compress(json.dumps({"keys": issuer.keys, "more": far + far}).encode())
    issuer.answer = compressed(body, encoding)
    assert_inside(knock(first.sign()))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (compressed(gzip.compress(b" " * 10_000_000)), "longer than 1048576 bytes"),
        (compressed(b"no gzip"), "error"),
        (compressed(zlib.compress(b'{"keys": []}')), "error"),
        (compressed(b"", "br"), "'br'"),
        (lambda handler: respond(handler, 200, b" " * (fetch.LIMIT + 1)), "longer than"),
        (lambda handler: respond(handler, 404, b""), "status 404"),
        (lambda handler: respond(handler, 301, b"", Location="/"), "Redirects are not"),
        (lambda handler: handler.wfile.write(b"no HTTP\r\n\r\n"), "BadStatusLine"),
        (lambda handler: respond(handler, 200, b"{"), "no JSON"),
        (lambda handler: respond(handler, 200, b"[" * 100_000), "no JSON"),
        (say(200, b"[]"), "The answer is no JWK Set, or an empty one."),
        (say(200, b'{"keys": {"first": 1}}'), "The answer is no JWK Set, or an empty one."),
        (say(200, b'{"keys": []}'), "The answer is no JWK Set, or an empty one."),
    ],
)
def test_what_is_wrong_with_an_answer_is_logged(
    knock: Knock,
    issuer: Issuer,
    first: KeyPair,
    caplog: pytest.LogCaptureFixture,
    answer: Any,
    says: str,
) -> None:
    issuer.answer = answer
    assert_unavailable(knock(first.sign()))
    assert says in error_in(caplog)


def test_a_small_answer_cannot_fill_the_memory(issuer: Issuer, first: KeyPair) -> None:
    """Of what it expands to, a mebibyte is read."""
    issuer.answer = compressed(gzip.compress(b" " * 50_000_000))
    tracemalloc.start()
    try:
        assert_unavailable(sync_knock(first.sign()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


def test_an_answer_of_just_the_limit_is_read(
    knock: Knock, issuer: Issuer, first: KeyPair
) -> None:
    body = json.dumps({"keys": issuer.keys}).encode().ljust(fetch.LIMIT)
    issuer.answer = lambda handler: respond(handler, 200, body)
    assert_inside(knock(first.sign()))


def test_an_endless_answer_is_cut_off(
    knock: Knock, issuer: Issuer, first: KeyPair, caplog: pytest.LogCaptureFixture
) -> None:
    """After a mebibyte, long before the timeout."""
    cut_off = threading.Event()

    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not issuer.closing.is_set():
                handler.wfile.write(b" " * 65536)
        except OSError:
            cut_off.set()

    issuer.answer = pour
    assert_unavailable(knock(first.sign()))
    assert cut_off.wait(5)
    assert "longer than" in error_in(caplog)
