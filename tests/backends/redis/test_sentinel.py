"""The cache in a Redis that Sentinel watches over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from jti_replay import CacheError, replay_cache
from tests.backends.conftest import Call
from tests.servers import free_port
from tests.servers.redis import RedisProcess
from tests.stopwatch import takes_at_most

BACKEND = "jti_replay.backends.redis.RedisCache"


@pytest.fixture(scope="module")
def sentinel(
    redis_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisProcess]:
    """A Sentinel of a master named "primary"."""
    config: Path = tmp_path_factory.mktemp("sentinel") / "sentinel.conf"
    with RedisProcess(redis_server) as master:
        config.write_text(f"sentinel monitor primary 127.0.0.1 {master.port} 1\n")
        process = RedisProcess(redis_server)
        process.start_sentinel(config)
        yield process
        process.stop()


def use(settings: Any, port: int, **options: Any) -> None:
    settings.DJANGO_REDIS_CONNECTION_FACTORY = "django_redis.pool.SentinelConnectionFactory"
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://primary/0",
            "OPTIONS": {
                "CLIENT_CLASS": "django_redis.client.SentinelClient",
                "SENTINELS": [("127.0.0.1", port)],
                **options,
            },
        }
    }
    settings.JTI_REPLAY = {
        "CACHES": {"default": {"BACKEND": BACKEND, "OPTIONS": {"timeout": 0.8}}}
    }


def test_it_finds_the_master(call: Call, settings: Any, sentinel: RedisProcess) -> None:
    use(settings, sentinel.port)
    assert replay_cache.check() == []
    reservation = call(replay_cache, "reserve", "a")
    assert reservation
    assert call(replay_cache, "reserve", "a") is None
    assert call(reservation, "release") is True
    call(replay_cache, "close")
    assert call(replay_cache, "release", "a") is False


@pytest.mark.parametrize("options", [{}, {"SENTINEL_KWARGS": {"client_name": "a"}}], ids=str)
def test_a_sentinel_that_does_not_answer_is_an_error_in_time(
    call: Call, settings: Any, sentinel: RedisProcess, options: dict[str, Any]
) -> None:
    use(settings, sentinel.port, **options)
    with redis.Redis(port=sentinel.port) as silenced:
        silenced.execute_command("CLIENT", "PAUSE", "1000", "ALL")
        with takes_at_most(0.8), pytest.raises(CacheError):
            call(replay_cache, "reserve", "b")
        silenced.connection_pool.disconnect()


def test_a_sentinel_that_is_down_is_an_error(call: Call, settings: Any) -> None:
    use(settings, free_port())
    with pytest.raises(CacheError) as caught:
        call(replay_cache, "reserve", "a")
    assert isinstance(caught.value.__cause__, redis.ConnectionError)
