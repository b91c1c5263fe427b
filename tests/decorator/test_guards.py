"""Several guards of one view share what one of them has reserved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.http import HttpRequest, HttpResponse

from jti_replay import replay_cache, replay_caches
from jti_replay.decorators import reserve_jti
from tests.tokens.doors import request_with
from tests.tokens.tokens import CACHES, PROFILE, signed

Send = Callable[[HttpRequest], int]
Guarded = Callable[..., Send]

PROFILES = {"hub": PROFILE, "lab": PROFILE | {"CACHE": "other"}}


@pytest.fixture(params=["sync", "async"])
def guarded(request: pytest.FixtureRequest, settings: Any) -> Guarded:
    """Give a function that puts guards around a view, and returns what sends requests to it."""
    caches = {"default": CACHES["default"], "other": CACHES["default"]}
    settings.JTI_REPLAY = {"CACHES": caches, "PROFILES": PROFILES}

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    async def aview(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    def guarded(*names: str) -> Send:
        guarded: Any = view if request.param == "sync" else aview
        for name in names:
            guarded = reserve_jti(name, atomic=False)(guarded)
        if request.param == "sync":
            return lambda request: guarded(request).status_code
        return lambda request: asyncio.run(guarded(request)).status_code

    return guarded


@pytest.mark.parametrize(
    "names", [("hub", "hub"), ("hub", "lab", "hub"), ("lab", "hub", "lab")]
)
def test_a_profile_reserves_once_a_request(guarded: Guarded, names: tuple[str, ...]) -> None:
    """However many of the guards ask for it, and what others reserve in between."""
    send, token = guarded(*names), signed()
    assert [send(request_with(token)) for _ in range(2)] == [200, 401]
    counts = {"hub": replay_cache.count(), "lab": replay_caches["other"].count()}
    assert counts == {name: int(name in names) for name in PROFILES}


def test_a_request_that_is_sent_again_is_a_replay(guarded: Guarded) -> None:
    """What its guards have shared ends with the answer."""
    send, request = guarded("hub", "hub"), request_with(signed())
    assert [send(request) for _ in range(2)] == [200, 401]


def test_an_async_view_asks_no_connection_for_its_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without AUTOCOMMIT it would have to connect, which no event loop may wait for."""
    monkeypatch.setitem(connections.settings["default"], "AUTOCOMMIT", False)

    @reserve_jti
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    assert asyncio.run(view(request_with(signed()))).status_code == 200
