"""A backend that does not provide what it owes refuses every token."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest

from jti_replay import CacheError, replay_cache
from jti_replay.reservation.key import JTIKey
from jti_replay.signals import jti_reserved
from tests.backends.conftest import Call
from tests.backends.flawed import Sound
from tests.rollback.signals import connected


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


class Stubborn(Sound):
    """Gives nothing back."""

    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        raise OSError("read-only")


def test_what_an_interrupted_reserve_cannot_give_back_is_logged(
    settings: Any, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets what interrupted it."""
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": f"{__name__}.Stubborn"}}}

    class Interruption(BaseException):
        pass

    def interrupt(**kwargs: Any) -> None:
        raise Interruption

    with connected(jti_reserved, interrupt), pytest.raises(Interruption):
        call(replay_cache, "reserve", "a")
    assert "'default' could not take a jti back: read-only" in caplog.text
