"""Each row of the table of answers, to the letter, through Django's own handlers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from tests.tokens.issuer import Issuer
from tests.tokens.keypairs import keypair
from tests.tokens.tokens import PROFILE, bearer, signed

pytestmark = pytest.mark.django_db(transaction=True)

Send = Callable[..., Any]
runs: list[HttpRequest] = []


@reserve_jti
def view(request: HttpRequest) -> HttpResponse:
    runs.append(request)
    return HttpResponse("done")


@reserve_jti
async def async_view(request: HttpRequest) -> HttpResponse:
    runs.append(request)
    return HttpResponse("done")


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest, settings: Any) -> Send:
    """Send a request with a token to a site with one view, by WSGI and by ASGI."""
    runs.clear()
    settings.ROOT_URLCONF = (path("", view if request.param == "sync" else async_view),)

    async def asend(**kwargs: Any) -> Any:
        return await AsyncClient().get("/", **kwargs)

    def send(token: str | None = None) -> Any:
        headers = {} if token is None else bearer(token)
        if request.param == "sync":
            return Client().get("/", headers=headers)
        return async_to_sync(asend)(headers=headers)

    return send


def described(response: Any) -> tuple[int, Any, dict[str, str]]:
    names = ("WWW-Authenticate", "Retry-After", "Cache-Control", "Content-Type")
    headers = {name: response.headers[name] for name in names if name in response.headers}
    return response.status_code, response.json(), headers


def unauthorized(error: str, description: str, challenge: str) -> tuple[int, Any, Any]:
    return (
        401,
        {"error": error, "error_description": description},
        {
            "WWW-Authenticate": challenge,
            "Cache-Control": "no-store",
            "Content-Type": "application/json",
        },
    )


def invalid(description: str) -> tuple[int, Any, Any]:
    return unauthorized(
        "invalid_token",
        description,
        f'Bearer error="invalid_token", error_description="{description}"',
    )


def published_at(url: str) -> dict[str, Any]:
    profile = PROFILE | {"JWKS_URL": url, "ALGORITHMS": ["ES256"]}
    del profile["KEY"]
    return profile


UNAVAILABLE = (
    503,
    {
        "error": "temporarily_unavailable",
        "error_description": "The token cannot be judged now. Try again later.",
    },
    {"Retry-After": "5", "Cache-Control": "no-store", "Content-Type": "application/json"},
)


def test_a_good_token_gets_the_answer_of_the_view(send: Send) -> None:
    response = send(signed())
    assert (response.status_code, response.content) == (200, b"done")
    assert response.headers["Cache-Control"] == "no-store"
    assert len(runs) == 1


def test_no_token(send: Send) -> None:
    assert described(send()) == unauthorized(
        "missing_token", "No token was sent. Send one as 'Authorization: Bearer'.", "Bearer"
    )
    assert runs == []


@pytest.mark.parametrize(
    ("make", "description"),
    [
        (lambda: "a.b.c", "The token is malformed."),
        (lambda: "a,b", "The Authorization header does not hold exactly one token."),
        (lambda: signed(key="x" * 32), "The signature of the token is wrong."),
        (lambda: signed(exp=1), "The token has expired."),
        (lambda: signed(exp=2**37), "The token lives longer than 3600 seconds."),
        (lambda: signed(aud="https://evil.example"), "The token is for another audience."),
        (lambda: signed(iss="https://evil.example"), "The token is from another issuer."),
        (lambda: signed(aud=None), "The token has no aud claim."),
        (lambda: signed(iss=None), "The token has no iss claim."),
        (lambda: signed(jti=None), "The token has no JWT ID (jti)."),
        (lambda: signed(exp=None), "The token has no expiry time (exp)."),
        (lambda: signed(nbf=2**37), "The token is not valid yet."),
        (
            lambda: signed(key="x" * 64, algorithm="HS512"),
            "The token is signed with an algorithm that is not accepted.",
        ),
    ],
)
def test_a_bad_token(send: Send, make: Callable[[], str], description: str) -> None:
    assert described(send(make())) == invalid(description)
    assert runs == []
    assert replay_cache.count() == 0


def test_an_unknown_key(send: Send, settings: Any) -> None:
    with Issuer() as issuer:
        issuer.keys = [keypair().jwk()]
        settings.JTI_REPLAY = {"PROFILES": {"default": published_at(issuer.url)}}
        answer = described(send(keypair("ES256", "another").sign()))
        assert answer == invalid("The token is signed with an unknown key.")
        assert runs == []


def test_a_replayed_token(send: Send) -> None:
    token = signed()
    send(token)
    assert described(send(token)) == invalid("The token has already been used.")
    assert len(runs) == 1


@pytest.mark.usefixtures("store_is_down")
def test_a_store_that_is_down(send: Send) -> None:
    assert described(send(signed())) == UNAVAILABLE
    assert runs == []


@pytest.mark.usefixtures("store_is_full")
def test_a_store_that_is_full(send: Send) -> None:
    token = signed()
    assert send(token).status_code == 200
    assert described(send(signed())) == UNAVAILABLE
    assert described(send(token)) == invalid("The token has already been used.")
    assert len(runs) == 1


def test_keys_that_cannot_be_had(send: Send, settings: Any) -> None:
    with Issuer() as issuer:
        url = issuer.url
    settings.JTI_REPLAY = {"PROFILES": {"default": published_at(url)}}
    assert described(send(keypair().sign())) == UNAVAILABLE
    assert runs == []


def test_a_missing_token_is_not_sent_to_fetch_keys(send: Send, settings: Any) -> None:
    """And gets its 401 when they cannot be had."""
    with Issuer() as issuer:
        settings.JTI_REPLAY = {"PROFILES": {"default": published_at(issuer.url)}}
        assert send().status_code == 401
        assert issuer.fetches == 0


@pytest.mark.usefixtures("store_is_down")
def test_a_bad_token_is_refused_without_the_store(send: Send) -> None:
    assert send(signed(exp=1)).status_code == 401


@pytest.mark.parametrize("token", [None, "a.b.c"])
def test_what_is_refused_is_logged_at_info(
    send: Send, caplog: pytest.LogCaptureFixture, token: str | None
) -> None:
    caplog.set_level(logging.DEBUG, "jti_replay")
    send(token)
    [record] = [record for record in caplog.records if record.name == "jti_replay"]
    assert record.levelno == logging.INFO


def test_a_replay_is_logged_once(send: Send, caplog: pytest.LogCaptureFixture) -> None:
    """It is a warning, and no refusal of a bad token."""
    token = signed()
    send(token)
    caplog.set_level(logging.DEBUG, "jti_replay")
    send(token)
    [record] = [record for record in caplog.records if record.name == "jti_replay"]
    assert record.levelno == logging.WARNING


@pytest.mark.usefixtures("store_is_down")
def test_a_failure_of_the_store_is_logged_once(
    send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "jti_replay")
    send(signed())
    [record] = [record for record in caplog.records if record.name == "jti_replay"]
    assert record.levelno == logging.ERROR
