"""Which settings the cache in Redis takes, and which it refuses."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from django_redis.cache import RedisCache as DjangoRedisCache

from jti_replay import replay_cache
from jti_replay.backends.redis import RedisCache
from tests.backends.conftest import Call, UseRedis

BACKEND = "jti_replay.backends.redis.RedisCache"
DJANGO_REDIS = "django_redis.cache.RedisCache"


class Subclass(RedisCache):
    """A cache of a project's own."""


class Slow(DjangoRedisCache):
    """Takes its time to be made, so that many threads ask for it meanwhile."""

    made: ClassVar[list[str]] = []

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        time.sleep(0.1)
        self.made.append(server)
        super().__init__(server, params)


def ids(params: dict[str, Any]) -> list[str | None]:
    return [message.id for message in RedisCache("default", params).check()]


def test_a_location_that_django_redis_serves_is_good(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": DJANGO_REDIS, "LOCATION": "redis://127.0.0.1"}}
    assert ids({"LOCATION": "default"}) == []


def test_without_a_location_it_is_the_default_one(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": DJANGO_REDIS, "LOCATION": "redis://127.0.0.1"}}
    assert ids({}) == []
    assert RedisCache("default", {}).location == "default"


@pytest.mark.parametrize(
    ("caches", "problem"),
    [
        ({"default": {}}, "is not in settings.CACHES"),
        ({}, "is not in settings.CACHES"),
        ({"shared": {"BACKEND": "no.such.Cache"}}, "cannot be imported"),
        (
            {"shared": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
            "serves no Redis",
        ),
    ],
)
def test_any_other_location_is_refused(
    caches: dict[str, Any], problem: str, settings: Any
) -> None:
    settings.CACHES = caches
    [error] = RedisCache("default", {"LOCATION": "shared"}).check()
    assert error.id == "jti_replay.E005"
    assert "'shared'" in error.msg
    assert problem in error.msg
    assert error.hint
    assert DJANGO_REDIS in error.hint
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": BACKEND, "LOCATION": "shared"}}}
    with pytest.raises(ImproperlyConfigured, match=r"E005"):
        replay_cache.reserve("a")


@pytest.mark.parametrize(
    ("options", "id_"),
    [
        ({"prefix": b"jti:"}, "jti_replay.E001"),
        ({"prefix": None}, "jti_replay.E001"),
        ({"timeout": "1"}, "jti_replay.E001"),
        ({"timeout": None}, "jti_replay.E001"),
        ({"timeout": True}, "jti_replay.E001"),
        ({"timeout": -1}, "jti_replay.E007"),
        ({"timeout": float("inf")}, "jti_replay.E007"),
        ({"timeout": 0}, "jti_replay.E014"),
    ],
)
def test_options_that_cannot_work_are_refused(
    options: dict[str, Any], id_: str, settings: Any
) -> None:
    settings.CACHES = {"default": {"BACKEND": DJANGO_REDIS, "LOCATION": "redis://127.0.0.1"}}
    assert ids({"OPTIONS": options}) == [id_]


@pytest.mark.parametrize("options", [{}, {"prefix": ""}, {"prefix": "\u00e9"}, {"timeout": 2}])
def test_options_that_can_work_are_taken(options: dict[str, Any], settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": DJANGO_REDIS, "LOCATION": "redis://127.0.0.1"}}
    assert ids({"OPTIONS": options}) == []


def test_to_check_the_settings_needs_no_server(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": DJANGO_REDIS, "LOCATION": "redis://host.invalid"}}
    assert ids({}) == []


def test_other_aliases_serve_other_caches(
    call: Call, settings: Any, redis_url: str, server: redis.Redis
) -> None:
    settings.CACHES = {
        "default": {"BACKEND": DJANGO_REDIS, "LOCATION": redis_url},
        "other": {"BACKEND": DJANGO_REDIS, "LOCATION": redis_url.replace("/0", "/1")},
    }
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": BACKEND, "LOCATION": "other"}}}
    assert call(replay_cache, "reserve", "a")
    assert server.dbsize() == 0
    assert call(replay_cache, "release", "a") is True


def test_a_list_of_servers_means_the_first_one(
    call: Call, settings: Any, redis_url: str, server: redis.Redis
) -> None:
    """The others are replicas, to django-redis."""
    location = [redis_url, "redis://host.invalid:6379/0"]
    settings.CACHES = {"default": {"BACKEND": DJANGO_REDIS, "LOCATION": location}}
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": BACKEND}}}
    assert call(replay_cache, "reserve", "a")
    assert call(replay_cache, "reserve", "a") is None


def test_a_limit_on_connections_is_respected(
    use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(
        f"{redis_url}?client_name=limited", {"CONNECTION_POOL_KWARGS": {"max_connections": 3}}
    )

    async def work() -> None:
        answers = await asyncio.gather(*(cache.areserve(f"{n}") for n in range(60)))
        assert all(answers)
        names = [client["name"] for client in server.client_list()]
        assert names.count("limited") == 3

    asyncio.run(work())


def test_a_pool_of_ones_own_is_used(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(
        redis_url,
        {
            "CONNECTION_POOL_CLASS": "redis.BlockingConnectionPool",
            "CONNECTION_POOL_KWARGS": {"max_connections": 2, "timeout": 1},
        },
    )
    assert call(cache, "reserve", "a")
    assert call(cache, "reserve", "a") is None


def test_a_backend_may_be_a_subclass(call: Call, settings: Any, redis_url: str) -> None:
    settings.CACHES = {"default": {"BACKEND": DJANGO_REDIS, "LOCATION": redis_url}}
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": f"{__name__}.Subclass"}}}
    reservation = call(replay_cache, "reserve", "subclass")
    assert call(reservation, "release") is True


def test_threads_that_are_first_at_once_share_a_client(
    settings: Any, redis_url: str, server: redis.Redis
) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Slow", "LOCATION": redis_url}}
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": BACKEND}}}
    start = threading.Barrier(8)

    def work(thread: int) -> bool:
        start.wait()
        return replay_cache.reserve("a") is not None

    Slow.made.clear()
    with ThreadPoolExecutor(8) as executor:
        assert sum(executor.map(work, range(8))) == 1
    assert len(Slow.made) == 1
