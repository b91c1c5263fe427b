"""The cache in a Redis that three Sentinels watch over, when servers die and stall."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.sentinel import SentinelConnectionPool

from jti_replay import CacheError, replay_cache
from jti_replay.backends.base import BaseReplayCache
from tests.backends.conftest import Call
from tests.backends.waiting import LIMIT, in_time, wait_until
from tests.servers import free_port
from tests.servers.sentinel import Sentinels, running_sentinels
from tests.stopwatch import takes_at_most

BACKEND = "jti_replay.backends.redis.RedisCache"

Use = Callable[..., BaseReplayCache]


class Pool(SentinelConnectionPool):
    """A pool of a project's own."""


@pytest.fixture(scope="module")
def sentinels(
    redis_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sentinels]:
    with running_sentinels(redis_server, tmp_path_factory.mktemp("sentinels")) as made:
        yield made


@pytest.fixture
def use(settings: Any, sentinels: Sentinels) -> Use:
    """Let the default cache be the primary."""
    settings.DJANGO_REDIS_CONNECTION_FACTORY = "django_redis.pool.SentinelConnectionFactory"

    def use(
        addresses: Any = None, url: str = "redis://primary/0", **options: Any
    ) -> BaseReplayCache:
        settings.CACHES = {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": url,
                "OPTIONS": {
                    "CLIENT_CLASS": "django_redis.client.SentinelClient",
                    "SENTINELS": addresses or sentinels.addresses,
                },
            }
        }
        options = {"timeout": LIMIT, **options}
        settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": BACKEND, "OPTIONS": options}}}
        return replay_cache

    return use


def test_event_loops_use_no_threads(use: Use) -> None:
    """Of many tasks, those that find no free connection wait for one."""
    cache = use(timeout=9)

    async def work() -> None:
        before = threading.enumerate()
        jtis = [f"{number}" for number in range(200)]
        assert all(await asyncio.gather(*map(cache.areserve, jtis)))
        assert await asyncio.gather(*map(cache.arelease, jtis)) == [True] * 200
        assert {*threading.enumerate()} <= {*before}

    asyncio.run(work())


def test_a_pool_of_a_projects_own_is_used_by_threads(use: Use, settings: Any) -> None:
    cache = use()
    settings.CACHES["default"]["OPTIONS"]["CONNECTION_POOL_CLASS"] = f"{__name__}.Pool"
    settings.CACHES = {**settings.CACHES}
    reservation = asyncio.run(cache.areserve("own"))
    assert reservation
    assert reservation.release() is True


def test_a_primary_without_tls_is_an_error_where_it_is_asked_for(call: Call, use: Use) -> None:
    cache = use(url="rediss://primary/0")
    assert not in_time(lambda: call(cache, "reserve", "a"))


def test_replicas_acknowledge(call: Call, use: Use) -> None:
    cache = use(replicas=2, replica_timeout=0.9, timeout=5)
    assert cache.check() == []
    assert call(cache, "reserve", "acknowledged")
    assert call(cache, "reserve", "acknowledged") is None
    assert call(cache, "release", "acknowledged") is True


def test_one_sentinel_that_answers_is_enough(
    call: Call, use: Use, sentinels: Sentinels
) -> None:
    dead = ("127.0.0.1", free_port())
    cache = use([dead, sentinels.addresses[0], sentinels.addresses[1]])
    sentinels.watchers[0].pause()
    try:
        assert in_time(lambda: call(cache, "reserve", "one"))
    finally:
        sentinels.watchers[0].resume()
    assert call(cache, "release", "one") is True


def test_sentinels_that_are_paused_are_an_error_in_time(
    call: Call, use: Use, sentinels: Sentinels
) -> None:
    """Unless there is a connection to the primary, which needs none of them."""
    warm = use()
    assert call(warm, "reserve", "warm")
    for watcher in sentinels.watchers:
        watcher.pause()
    try:
        assert call(warm, "reserve", "warm") is None
        cache = use()
        for name in ("reserve", "release"):
            assert not in_time(lambda name=name: call(cache, name, "warm"))
    finally:
        for watcher in sentinels.watchers:
            watcher.resume()
    assert call(cache, "release", "warm") is True


def test_a_primary_that_is_paused_for_a_moment_is_an_error_in_time(
    call: Call, use: Use, sentinels: Sentinels
) -> None:
    """For too short a moment to be replaced."""
    cache = use(timeout=0.3)
    wait_until(lambda: call(cache, "reserve", "warm"))
    primary = sentinels.primary()
    primary.pause()
    try:
        with takes_at_most(0.3), pytest.raises(CacheError):
            call(cache, "reserve", "a")
    finally:
        primary.resume()
    assert call(cache, "release", "warm") is True


def test_it_works_again_by_itself_after_a_failover(use: Use, sentinels: Sentinels) -> None:
    """Event loops that are quick to notice it, and threads whose connections are dead."""
    cache = use()
    killed = sentinels.primary()
    with asyncio.Runner() as runner:

        def areserve(jti: str) -> Any:
            return runner.run(arun(cache.areserve, jti))

        assert cache.reserve("sync")
        assert areserve("async")
        killed.stop()
        assert not in_time(lambda: areserve("a"))
        assert not in_time(lambda: cache.reserve("a"))
        wait_until(lambda: areserve("a"))
        assert sentinels.primary() is not killed
        assert cache.reserve("a") is None
        assert areserve("a") is None
        assert cache.release("a") is True


async def arun(function: Callable[..., Any], *args: Any) -> Any:
    return await function(*args)
