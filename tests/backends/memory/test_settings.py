"""The settings of the cache in memory, and the caches that they name."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from jti_replay import replay_cache, replay_caches
from jti_replay.backends.memory import InMemoryCache

# Its settings.


@pytest.mark.parametrize("max_entries", [0, -1, "5", 1.5, 1e6, True, False, None])
def test_a_limit_that_is_no_positive_int_is_refused(max_entries: Any, settings: Any) -> None:
    params = {
        "BACKEND": "jti_replay.backends.memory.InMemoryCache",
        "OPTIONS": {"max_entries": max_entries},
    }
    [error] = InMemoryCache("default", params).check()
    assert error.id == "jti_replay.E014"
    assert "max_entries" in error.msg
    assert error.hint
    settings.JTI_REPLAY = {"CACHES": {"default": params}}
    with pytest.raises(ImproperlyConfigured, match="max_entries"):
        replay_cache.reserve("a")


def test_all_threads_have_the_same_cache(settings: Any) -> None:
    settings.JTI_REPLAY = {}
    seen: list[Any] = []

    def look() -> None:
        seen.append(replay_caches["default"])

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(cache) for cache in seen} == {id(replay_caches["default"])}


def test_two_aliases_share_nothing(settings: Any) -> None:
    memory = {"BACKEND": "jti_replay.backends.memory.InMemoryCache"}
    settings.JTI_REPLAY = {"CACHES": {"default": memory, "other": memory}}
    assert replay_caches["default"].reserve("a")
    assert replay_caches["other"].reserve("a")
    assert replay_caches["other"].release("a") is True
    assert replay_caches["default"].reserve("a") is None
