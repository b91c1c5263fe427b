"""The times of a token are judged once more when the wait for the store is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse

from jti_replay import replay_cache, signals
from jti_replay.backends.memory import InMemoryCache
from jti_replay.reservation.key import JTIKey
from tests.tokens.answers import assert_inside, assert_invalid
from tests.tokens.doors import knock as sync_knock
from tests.tokens.doors import knock_on_a_new_loop
from tests.tokens.tokens import CACHES, PROFILE, signed

Knock = Callable[..., Any]
WAIT = 100
travel: list[Any] = []


class Waiting(InMemoryCache):
    """A cache whose callers wait: for a lock, a pool, a connection, a paused host."""

    def add(self, key: JTIKey, deadline: float) -> Any:
        entry = super().add(key, deadline)
        travel[0].shift(WAIT)
        return entry


@pytest.fixture(params=["sync", "async"])
def knock(request: pytest.FixtureRequest) -> Knock:
    return sync_knock if request.param == "sync" else knock_on_a_new_loop


@pytest.fixture(autouse=True)
def _clock() -> Any:
    # At a full second, so that a wait can end at the very moment that a token does.
    with time_machine.travel(int(time.time()), tick=False) as traveller:
        travel[:] = [traveller]
        yield


@pytest.fixture
def _waits(settings: Any) -> None:
    path = f"{__name__}.Waiting"
    profile = PROFILE | {"LEEWAY": 10}
    caches = {"default": {"BACKEND": path, "TTL": 0}}
    settings.JTI_REPLAY = {"CACHES": caches, "PROFILES": {"default": profile}}


@pytest.mark.usefixtures("_waits")
def test_a_token_that_expired_meanwhile_is_refused(knock: Knock) -> None:
    """
    So is one that ends at the very moment at which the wait does. Its jti is released,
    although it would be forgotten soon anyway.
    """
    released = []

    def note(**kwargs: Any) -> None:
        released.append(kwargs["digest"])

    signals.jti_released.connect(note)
    # The entry outlives the token by a second, in which it is released.
    token = signed(exp=int(time.time()) + WAIT - 10)
    try:
        assert_invalid(knock(token), "The token has expired.")
    finally:
        signals.jti_released.disconnect(note)
    assert replay_cache.count() == 0
    assert len(released) == 1


@pytest.mark.usefixtures("_waits")
def test_a_token_that_is_still_good_passes(knock: Knock) -> None:
    """Waiting alone refuses nothing."""
    token = signed(exp=int(time.time()) + WAIT - 9)
    assert_inside(knock(token))
    assert replay_cache.count() == 1


@pytest.mark.parametrize("names", [("strict", "lenient"), ("lenient", "strict")])
def test_profiles_on_one_cache_keep_for_the_longest_leeway(
    knock: Knock, settings: Any, names: tuple[str, str]
) -> None:
    """Otherwise one would accept what the other has forgotten."""
    settings.JTI_REPLAY = {
        "CACHES": {
            "default": CACHES["default"] | {"TTL": 0},
            "other": CACHES["default"] | {"TTL": 0},
        },
        "PROFILES": {
            "strict": PROFILE | {"LEEWAY": 0},
            "lenient": PROFILE | {"LEEWAY": 60},
            "elsewhere": PROFILE | {"LEEWAY": 600, "CACHE": "other"},
            "broken": PROFILE | {"LEEWAY": "long"},
        },
    }
    exp = int(time.time()) + 10
    token = signed(exp=exp)
    response = knock(token, profile=names[0])
    assert_inside(response)
    assert response.reservation.expires_at.timestamp() == exp + 60 + 1
    travel[0].shift(10 + 59)
    assert_invalid(knock(token, profile="lenient"))


def test_no_cache_may_keep_an_answer(knock: Knock) -> None:
    """A view that says itself what caches may do is left alone."""
    from jti_replay.decorators import reserve_jti
    from tests.tokens.doors import request_with

    assert knock(signed()).headers["Cache-Control"] == "no-store"

    @reserve_jti(atomic=False)
    def view(request: Any) -> HttpResponse:
        return HttpResponse(headers={"Cache-Control": "private"})

    assert view(request_with(signed())).headers["Cache-Control"] == "private"
