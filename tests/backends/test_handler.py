"""The caches by their alias: made at first use, one for the process, as the settings say."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, ClassVar

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from jti_replay import Reservation, replay_cache, replay_caches
from jti_replay.backends.memory import InMemoryCache
from jti_replay.caches import ReplayCacheHandler
from tests.backends.flawed import Sound

MEMORY = {"BACKEND": "jti_replay.backends.memory.InMemoryCache"}
SOUND = {"BACKEND": "tests.backends.flawed.Sound"}


class Recording(Sound):
    """Tells how often it was closed."""

    closed: ClassVar[list[str]] = []

    def close(self) -> None:
        self.closed.append(self.alias)


class Layered(Sound):
    """Is made of another cache."""

    def __init__(self, alias: str, params: Any) -> None:
        super().__init__(alias, params)
        self.below = replay_caches["default"]


def caches(**by_alias: Any) -> dict[str, Any]:
    return {"CACHES": by_alias}


def test_each_alias_has_its_cache(settings: Any) -> None:
    settings.JTI_REPLAY = caches(default=MEMORY, other={**SOUND, "TTL": 5})
    assert isinstance(replay_caches["default"], InMemoryCache)
    assert isinstance(replay_caches["other"], Sound)
    assert (replay_caches["other"].alias, replay_caches["other"].ttl) == ("other", 5)
    assert set(replay_caches) == {"default", "other"}
    assert [cache.alias for cache in replay_caches.all()] == ["default", "other"]


def test_the_proxy_is_the_default_cache(settings: Any) -> None:
    settings.JTI_REPLAY = caches(default=SOUND, other=SOUND)
    assert replay_cache.alias == "default"
    reservation = replay_cache.reserve("a")
    assert isinstance(reservation, Reservation)
    assert replay_caches["default"].reserve("a") is None
    assert replay_caches["other"].reserve("a")
    assert replay_cache == replay_caches["default"]


def test_an_unknown_alias_is_improperly_configured(settings: Any) -> None:
    settings.JTI_REPLAY = caches(default=MEMORY)
    with pytest.raises(ImproperlyConfigured, match="'shared'"):
        replay_caches["shared"]


@pytest.mark.parametrize("absent", [True, False], ids=["absent", "empty"])
def test_without_settings_there_is_one_cache_in_memory(settings: Any, absent: bool) -> None:
    settings.JTI_REPLAY = {}
    if absent:
        del settings.JTI_REPLAY
    assert list(replay_caches) == ["default"]
    assert isinstance(replay_caches["default"], InMemoryCache)
    assert replay_cache.ttl == 300
    assert replay_cache.reserve("a")
    assert replay_cache.reserve("a") is None


def test_profiles_alone_leave_the_default_cache(settings: Any) -> None:
    settings.JTI_REPLAY = {"PROFILES": {}}
    assert isinstance(replay_caches["default"], InMemoryCache)


def test_overridden_settings_are_followed_there_and_back(settings: Any) -> None:
    settings.JTI_REPLAY = caches(default=MEMORY)
    assert replay_cache.reserve("a")
    with override_settings(JTI_REPLAY=caches(default={**SOUND, "TTL": 7})):
        assert isinstance(replay_caches["default"], Sound)
        assert replay_cache.ttl == 7
        assert replay_cache.reserve("a")
    assert isinstance(replay_caches["default"], InMemoryCache)


def test_another_thread_follows_too(settings: Any) -> None:
    settings.JTI_REPLAY = caches(default=MEMORY)
    asked, changed = threading.Event(), threading.Event()
    seen: list[type] = []

    def look() -> None:
        seen.append(type(replay_caches["default"]))
        asked.set()
        changed.wait(10)
        seen.append(type(replay_caches["default"]))

    thread = threading.Thread(target=look)
    thread.start()
    assert asked.wait(10)
    settings.JTI_REPLAY = caches(default=SOUND)
    changed.set()
    thread.join()
    assert seen == [InMemoryCache, Sound]


@pytest.mark.parametrize("setting", ["CACHES", "JTI_REPLAY"])
def test_a_change_of_what_caches_are_made_of_makes_them_anew(
    setting: str, settings: Any
) -> None:
    settings.JTI_REPLAY = caches(default=SOUND)
    before = replay_caches["default"]
    setattr(settings, setting, dict(getattr(settings, setting)))
    assert replay_caches["default"] is not before


def test_a_change_of_anything_else_leaves_them_alone(settings: Any) -> None:
    settings.JTI_REPLAY = caches(default=SOUND)
    before = replay_caches["default"]
    settings.DEBUG = True
    assert replay_caches["default"] is before


def test_threads_and_event_loops_get_the_same_object(settings: Any) -> None:
    settings.JTI_REPLAY = caches(default=SOUND)
    got: list[Any] = [replay_caches["default"]]

    async def look() -> None:
        got.append(replay_caches["default"])

    async def look_in_tasks() -> None:
        await asyncio.gather(look(), look())

    threads = [
        threading.Thread(target=lambda: got.append(replay_caches["default"])),
        threading.Thread(target=asyncio.run, args=(look_in_tasks(),)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert len(set(map(id, got))) == 1


def test_threads_that_are_first_at_once_get_the_same_object(settings: Any) -> None:
    settings.JTI_REPLAY = caches(default=SOUND)
    got: list[int] = []
    start = threading.Barrier(16)

    def look() -> None:
        start.wait()
        got.append(id(replay_caches["default"]))

    threads = [threading.Thread(target=look) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 16
    assert len(set(got)) == 1
    assert id(replay_caches.create_connection("default")) == got[0]


def test_a_cache_may_be_made_of_another(settings: Any) -> None:
    layered = {"BACKEND": f"{__name__}.Layered"}
    settings.JTI_REPLAY = caches(default=MEMORY, layered=layered)
    cache = replay_caches["layered"]
    assert isinstance(cache, Layered)
    assert cache.below is replay_caches["default"]


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ([], "JTI_REPLAY"),
        ({"CACHES": []}, "CACHES"),
        ({"CACHES": {}}, "default"),
        ({"CACHES": {"default": "memory"}}, "dict"),
        ({"CACHES": {"default": {}}}, "BACKEND"),
        ({"CACHES": {"default": {"BACKEND": "no.such.Cache"}}}, "No module"),
        ({"CACHES": {"default": {"BACKEND": "builtins.dict"}}}, "BaseReplayCache"),
        ({"CACHES": {"default": {**MEMORY, "TTL": -1}}}, "TTL"),
        ({"CACHES": {"default": {**MEMORY, "TTL": float("nan")}}}, "TTL"),
        ({"CACHES": {"default": {**MEMORY, "OPTIONS": {"max_entry": 1}}}}, "max_entry"),
        ({"CACHES": {"default": {**MEMORY, "TIMEOUT": 1}}}, "TIMEOUT"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_first_use(
    bad: Any, named: str, settings: Any
) -> None:
    settings.JTI_REPLAY = bad
    for _ in range(2):
        with pytest.raises(ImproperlyConfigured, match=named):
            replay_cache.reserve("a")


def test_a_cache_that_is_not_used_does_not_hold_up_the_others(settings: Any) -> None:
    settings.JTI_REPLAY = caches(default=MEMORY, broken={"BACKEND": "no.such.Cache"})
    assert replay_cache.reserve("a")
    with pytest.raises(ImproperlyConfigured):
        replay_caches["broken"]


def test_close_all_closes_each_cache_that_was_used_and_forgets_nothing(
    settings: Any,
) -> None:
    recording = {"BACKEND": f"{__name__}.Recording"}
    settings.JTI_REPLAY = caches(default=recording, other=recording, unused=recording)
    Recording.closed.clear()
    assert replay_caches["default"].reserve("a")
    assert replay_caches["other"].reserve("a")
    replay_caches.close_all()
    assert Recording.closed == ["default", "other"]
    assert replay_caches["default"].reserve("a") is None


def test_a_change_of_settings_closes_what_was_used(settings: Any) -> None:
    settings.JTI_REPLAY = caches(default={"BACKEND": f"{__name__}.Recording"})
    replay_cache.reserve("a")
    Recording.closed.clear()
    settings.JTI_REPLAY = caches(default=MEMORY)
    assert Recording.closed == ["default"]


def test_a_handler_of_ones_own_has_caches_of_its_own(settings: Any) -> None:
    settings.JTI_REPLAY = caches(default=SOUND)
    assert ReplayCacheHandler()["default"] is not replay_caches["default"]


def test_close_all_does_not_mind_settings_that_cannot_work(settings: Any) -> None:
    settings.JTI_REPLAY = {"CACHES": []}
    replay_caches.close_all()
