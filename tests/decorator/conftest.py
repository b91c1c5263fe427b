from __future__ import annotations

from typing import Any

import pytest

from tests.servers import free_port
from tests.tokens.tokens import CACHES, PROFILE


@pytest.fixture(autouse=True)
def _default_profile(settings: Any) -> None:
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}


@pytest.fixture
def store_is_down(settings: Any) -> None:
    """Let the default replay cache be a Redis that is not there."""
    location = f"redis://127.0.0.1:{free_port()}/0"
    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location}
    }
    settings.JTI_REPLAY = {
        "CACHES": {"default": {"BACKEND": "jti_replay.backends.redis.RedisCache"}},
        "PROFILES": {"default": PROFILE},
    }


@pytest.fixture
def store_is_full(settings: Any) -> None:
    """Let the default replay cache have room for one entry."""
    settings.JTI_REPLAY = {
        "CACHES": {"default": CACHES["default"] | {"OPTIONS": {"max_entries": 1}}},
        "PROFILES": {"default": PROFILE},
    }
