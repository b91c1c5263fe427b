"""A backend that does not provide what it owes refuses every token."""

from __future__ import annotations

from typing import Any

import pytest

from jti_replay import CacheError, replay_cache
from tests.backends.conftest import Call


@pytest.fixture(autouse=True)
def bare_cache(settings: Any) -> None:
    backend = "jti_replay.backends.base.BaseReplayCache"
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": backend}}}


def test_without_add_nothing_is_reserved(call: Call) -> None:
    with pytest.raises(CacheError, match=r"add\(\)") as caught:
        call(replay_cache, "reserve", "a")
    assert isinstance(caught.value.__cause__, NotImplementedError)


def test_without_remove_nothing_is_released(call: Call) -> None:
    with pytest.raises(CacheError, match=r"remove\(\)"):
        call(replay_cache, "release", "a")


def test_it_need_not_count_or_hold_connections(call: Call) -> None:
    assert call(replay_cache, "count") is None
    assert call(replay_cache, "close") is None
    assert replay_cache.check() == []


def test_there_is_nothing_to_purge() -> None:
    """A store whose entries go by themselves has no expired ones."""
    assert replay_cache.purge() == 0
