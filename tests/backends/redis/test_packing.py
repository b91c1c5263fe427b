"""Commands are packed by hiredis, or without it by redis-py."""

from __future__ import annotations

import pytest
import redis

from jti_replay.backends.redis.transport import packing as redis_packing
from tests.backends.conftest import Call, UseRedis


@pytest.mark.parametrize("has_hiredis", [True, False])
def test_it_works_with_and_without_hiredis(
    has_hiredis: bool,
    call: Call,
    use_redis: UseRedis,
    server: redis.Redis,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not has_hiredis:
        monkeypatch.setattr(redis_packing, "hiredis", None)
    cache = use_redis(redis_url, OPTIONS={"prefix": "jüti:"}, COLD_START="refuse")
    call(cache, "start_memory")
    reservation = call(cache, "reserve", "a", usable_since=2**32)
    assert call(cache, "reserve", "a", usable_since=2**32) is None
    assert call(reservation, "release") is True
    assert call(cache, "reserve", "a", usable_since=2**32)
