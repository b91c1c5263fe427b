"""The claims of a backend that provides nothing for them but add and remove."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Any

import pytest

from jti_replay import ColdStart, replay_cache
from jti_replay.backends.claims import PROBE_LIFETIME, Claimed
from jti_replay.reservation.key import JTIKey
from tests.backends.conftest import Call
from tests.backends.flawed import Sound


class FailsToProbe(Sound):
    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        if deadline < time.time() + 2 * PROBE_LIFETIME:
            raise KeyboardInterrupt
        return super().add(key, deadline)


class GivesNothingBack(Sound):
    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        raise OSError("read-only")


@pytest.fixture
def use(settings: Any) -> Any:
    def use(backend: type[Sound], **params: Any) -> Any:
        params["BACKEND"] = f"{backend.__module__}.{backend.__name__}"
        settings.JTI_REPLAY = {"CACHES": {"default": params}}
        return replay_cache

    return use


def claim(call: Call, cache: Any, *, since: float | None = None) -> Any:
    return call(cache, "claim", "feed", "a jti", time.time() + 60, since)


def test_a_claim_that_is_interrupted_is_given_back(call: Call, use: Any) -> None:
    cache = use(FailsToProbe)
    with pytest.raises(KeyboardInterrupt):
        claim(call, cache)
    assert cache.count() == 0


def test_what_cannot_be_given_back_is_logged(
    call: Call, use: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The claim lapses by itself, and the answer stands."""
    cache = use(GivesNothingBack)
    assert cache.reserve("a jti", namespace="feed")
    assert claim(call, cache) is Claimed.SETTLED
    assert "could not give a claim back: read-only" in caplog.text


def test_a_cold_start_refuses_a_claim(call: Call, use: Any) -> None:
    cache = use(Sound, COLD_START="refuse")
    assert cache.reserve("warm", usable_since=time.time())
    with pytest.raises(ColdStart):
        claim(call, cache, since=time.time() - 100)
    assert isinstance(claim(call, cache, since=time.time() + 1), tuple)
