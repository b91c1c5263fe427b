from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from jti_replay import replay_cache
from jti_replay.backends.base import BaseReplayCache
from tests.backends.waiting import PATIENT
from tests.servers.lossy_proxy import LossyProxy
from tests.servers.redis import RedisProcess

UseRedis = Callable[..., BaseReplayCache]
Call = Callable[..., Any]

CLUSTER_FACTORY = "redis.cluster.RedisCluster.from_url"


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    """A client of one's own of the Redis of this test run, which is empty."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        client.script_flush()
        yield client
        client.flushall()


@pytest.fixture
def use_redis(settings: Any) -> UseRedis:
    """Let the default cache be the Redis at an URL."""

    def use(url: str, options: dict[str, Any] | None = None, **params: Any) -> BaseReplayCache:
        settings.CACHES = {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": url,
                "OPTIONS": options or {},
            }
        }
        params = {"OPTIONS": PATIENT, **params}
        backend = "jti_replay.backends.redis.RedisCache"
        settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": backend, **params}}}
        return replay_cache

    return use


@pytest.fixture
def redis_of_ones_own(redis_server: str) -> Iterator[RedisProcess]:
    """A Redis that may be stopped, started again and configured."""
    with RedisProcess(redis_server) as process:
        yield process


@pytest.fixture
def proxy(server: redis.Redis) -> Iterator[LossyProxy]:
    """A proxy in front of the Redis of this test run."""
    with LossyProxy(server.connection_pool.connection_kwargs["port"]) as proxy:
        yield proxy


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Iterator[Call]:
    """Call a method of a cache or a reservation, or its asynchronous twin."""
    if request.param == "sync":
        yield lambda owner, name, *args, **kwargs: getattr(owner, name)(*args, **kwargs)
        return

    with asyncio.Runner() as runner:

        def acall(owner: Any, name: str, *args: Any, **kwargs: Any) -> Any:
            async def run() -> Any:
                return await getattr(owner, f"a{name}")(*args, **kwargs)

            return runner.run(run())

        yield acall
