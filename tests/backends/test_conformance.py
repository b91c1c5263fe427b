"""The built-in caches keep what every replay cache promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.test import SimpleTestCase

from jti_replay.testing import ReplayCacheTests
from tests.backends.waiting import PATIENT
from tests.servers import free_port
from tests.servers.redis import RedisProcess

REDIS = {"BACKEND": "jti_replay.backends.redis.RedisCache", "LOCATION": "default"}


class InMemoryCacheTests(ReplayCacheTests, SimpleTestCase):
    cache_settings: ClassVar = {"BACKEND": "jti_replay.backends.memory.InMemoryCache"}


@pytest.mark.usefixtures("redis_cache_settings")
class RedisCacheTests(ReplayCacheTests, SimpleTestCase):
    cache_settings: ClassVar = {**REDIS, "OPTIONS": PATIENT}
    unreachable_settings: ClassVar = {**REDIS, "LOCATION": "down"}

    @pytest.fixture(autouse=True)
    def one_that_is_down(self, redis_cache_settings: None, settings: Any) -> None:
        settings.CACHES |= {
            "down": {
                **settings.CACHES["default"],
                "LOCATION": f"redis://127.0.0.1:{free_port()}",
            }
        }


class RedisCacheOfOtherSettingsTests(ReplayCacheTests, SimpleTestCase):
    """On a Unix socket, with RESP3 and responses that are decoded for other uses."""

    cache_settings: ClassVar = {**REDIS, "OPTIONS": PATIENT}

    @pytest.fixture(autouse=True)
    def unix_socket(self, redis_server: str, settings: Any, tmp_path: Path) -> Iterator[None]:
        path = tmp_path / "redis.sock"
        pool_kwargs = {"decode_responses": True, "protocol": 3}
        with RedisProcess(redis_server, "--unixsocket", str(path)):
            settings.CACHES = {
                "default": {
                    "BACKEND": "django_redis.cache.RedisCache",
                    "LOCATION": f"unix://{path}",
                    "OPTIONS": {"CONNECTION_POOL_KWARGS": pool_kwargs},
                }
            }
            yield
