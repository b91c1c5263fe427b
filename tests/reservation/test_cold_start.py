"""A cache that may have lost its memory refuses what may have been used before."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from jti_replay import ColdStart, replay_cache
from jti_replay.backends.base import BaseReplayCache
from jti_replay.conf import forks
from jti_replay.decorators import reserve_jti
from jti_replay.kinds.bearer import Bearer
from jti_replay.profiles.rules import DEFAULT_LEEWAY, DEFAULT_MAX_LIFETIME
from jti_replay.reservation.cold_start import WINDOW, earliest_use, refuse_cold_start
from jti_replay.signals import cache_failed
from tests.checks.configurations import cache, found
from tests.tokens.tokens import PROFILE, bearer, signed

NOW = 1_800_000_000


class KnowsNoBeginning(BaseReplayCache):
    """A backend that cannot tell how far its memory goes back."""


def earliest(**claims: float) -> float:
    issued = Bearer("default", {}).made_at(claims)
    return earliest_use(issued, now=NOW, leeway=30, max_lifetime=3600)


@pytest.fixture
def cold(settings: Any) -> None:
    settings.JTI_REPLAY = {
        "CACHES": {"default": cache(COLD_START="refuse")},
        "PROFILES": {"default": PROFILE | {"LEEWAY": 2, "MAX_LIFETIME": 600}},
    }


@pytest.fixture(params=["sync", "async"])
def reserve(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Reserve in the default cache."""
    if request.param == "sync":
        return lambda *args, **kwargs: replay_cache.reserve(*args, **kwargs)
    return lambda *args, **kwargs: async_to_sync(replay_cache.areserve)(*args, **kwargs)


def test_a_token_may_have_been_used_since_it_was_issued_on_a_late_clock() -> None:
    assert earliest(iat=NOW - 5, nbf=NOW - 60) == NOW - 35
    assert earliest(nbf=NOW - 60) == NOW - 90


def test_a_token_that_does_not_say_is_as_old_as_any_may_be() -> None:
    assert earliest(exp=NOW + 3600) == NOW - 3660


def test_a_store_that_does_not_know_vouches_for_nothing() -> None:
    with pytest.raises(ColdStart) as caught:
        refuse_cold_start(None, time.time())
    assert caught.value.retry_after == WINDOW


@pytest.mark.usefixtures("cold")
def test_what_may_have_been_used_before_is_refused(reserve: Callable[..., Any]) -> None:
    since = replay_cache.complete_since()
    assert since is not None
    assert time.time() - 60 < since <= time.time()
    with pytest.raises(ColdStart) as caught:
        reserve("a", usable_since=since - 7)
    assert 6.9 < caught.value.retry_after < 7.1
    with pytest.raises(ColdStart):
        reserve("a", usable_since=datetime.fromtimestamp(since - 1, UTC))
    assert reserve("a", usable_since=since)
    assert reserve("a", usable_since=since) is None


@pytest.mark.usefixtures("cold")
def test_a_jti_of_unknown_age_is_refused_for_an_hour(reserve: Callable[..., Any]) -> None:
    with pytest.raises(ColdStart) as caught:
        reserve("a")
    assert 3600 < caught.value.retry_after <= WINDOW


def test_that_hour_is_as_long_as_a_token_is_accepted_by_default() -> None:
    """A token may be as old as its longest lifetime, on clocks that differ at both ends."""
    assert WINDOW == DEFAULT_MAX_LIFETIME + 2 * DEFAULT_LEEWAY == 3660


@pytest.mark.usefixtures("cold")
@pytest.mark.parametrize("wrong", [True, "now", float("nan"), datetime(2030, 1, 1)])  # noqa: DTZ001
def test_what_is_no_moment_is_refused(reserve: Callable[..., Any], wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="usable_since"):
        reserve("a", usable_since=wrong)


def test_by_default_the_past_does_not_matter(
    settings: Any, reserve: Callable[..., Any]
) -> None:
    for more in ({}, {"COLD_START": "accept"}):
        settings.JTI_REPLAY = {"CACHES": {"default": cache(**more)}}
        assert reserve("a", usable_since=0)


@pytest.mark.usefixtures("cold")
def test_a_forked_process_vouches_for_what_comes_after_the_fork(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may stand in for one that was killed, whose memory it does not have."""
    before = replay_cache.complete_since()
    time.sleep(0.01)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, repr(replay_cache.complete_since()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert float(pipe.read()) > before + 0.01
    assert replay_cache.complete_since() == before
    monkeypatch.setattr(forks, "_forked_at", time.time())
    assert replay_cache.complete_since() > before + 0.01


@reserve_jti(atomic=False)
def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


@reserve_jti
async def async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


@pytest.fixture(params=[view, async_view], ids=["sync", "async"])
def send(request: pytest.FixtureRequest, settings: Any) -> Callable[..., Any]:
    """Send a request with a token of some claims."""
    settings.ROOT_URLCONF = (path("", request.param),)

    async def asend(headers: Any) -> Any:
        return await AsyncClient().get("/", headers=headers)

    def send(**claims: Any) -> Any:
        headers = bearer(signed(**claims))
        if request.param is view:
            return Client().get("/", headers=headers)
        return async_to_sync(asend)(headers)

    return send


@pytest.mark.usefixtures("cold", "transactional_db")
def test_a_request_with_a_token_from_before_is_answered_503(send: Callable[..., Any]) -> None:
    failed = []

    def receiver(**kwargs: Any) -> None:
        failed.append(kwargs["error"])

    cache_failed.connect(receiver)
    try:
        since = replay_cache.complete_since() or 0
        response = send(iat=since - 8.0)
    finally:
        cache_failed.disconnect(receiver)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "10"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json() == {
        "error": "temporarily_unavailable",
        "error_description": "The token was issued before this server can vouch for it. Try "
        "again later, with a new token.",
    }
    assert [type(error) for error in failed] == [ColdStart]
    assert send(iat=None).status_code == 503
    assert send(iat=None, nbf=since - 8.0).status_code == 503
    assert send(iat=since + 2).status_code == 200
    assert send(iat=None, nbf=since + 2).status_code == 200


@pytest.mark.usefixtures("cold", "transactional_db")
def test_after_the_longest_lifetime_every_token_is_accepted(
    send: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    since = replay_cache.complete_since() or 0
    monkeypatch.setattr(time, "time", lambda: since + 600 + 2 * 2 - 0.01)
    assert send(iat=None).status_code == 503
    monkeypatch.setattr(time, "time", lambda: since + 600 + 2 * 2)
    assert send(iat=None).status_code == 200
    assert send(iat=since + 3, exp=since + 603).status_code == 200


@pytest.mark.parametrize("choice", ["Refuse", "refused", None, True, ["refuse"]])
def test_a_choice_that_there_is_not_is_refused(settings: Any, choice: Any) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": cache(COLD_START=choice)}}
    [message] = found()
    assert message.id == "jti_replay.E018"
    assert message.hint == "Set it to 'accept' or 'refuse'."


def test_a_backend_that_cannot_tell_cannot_refuse(settings: Any) -> None:
    backend = f"{__name__}.{KnowsNoBeginning.__name__}"
    settings.JTI_REPLAY = {"CACHES": {"default": cache(BACKEND=backend, OPTIONS={})}}
    assert found() == []
    settings.JTI_REPLAY["CACHES"]["default"]["COLD_START"] = "refuse"
    [message] = found()
    assert message.id == "jti_replay.E018"
    assert "complete_since" in str(message.hint)
