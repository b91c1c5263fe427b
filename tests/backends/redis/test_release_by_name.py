"""An operator's release by name frees at most one reservation, whatever is lost."""

from __future__ import annotations

import pytest
import redis

from jti_replay import CacheError
from tests.backends.conftest import Call, UseRedis
from tests.servers.lossy_proxy import LossyProxy


@pytest.mark.parametrize("loss", ["drop reply", "cut reply", "drop request"])
def test_it_is_sent_once(loss: str, call: Call, use_redis: UseRedis, proxy: LossyProxy) -> None:
    """A second one could free an entry that another has made after the first."""
    cache = use_redis(proxy.url, OPTIONS={"timeout": 1})
    assert call(cache, "reserve", "a")
    call(cache, "release", "warm")
    proxy.lose(loss)  # type: ignore[arg-type]
    with pytest.raises(CacheError):
        call(cache, "release", "a")
    assert len(proxy.requests) == 1


def test_a_connection_that_was_closed_before_is_replaced(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    """Nothing was sent on it, so that there is nothing to be unsure of."""
    cache = use_redis(redis_url)
    assert call(cache, "reserve", "a")
    server.client_kill_filter(_type="normal", skipme=True)
    assert call(cache, "release", "a") is True


def test_a_new_connection_that_is_cut_is_made_again(
    call: Call, use_redis: UseRedis, proxy: LossyProxy
) -> None:
    """A handshake that fails is no doubt either."""
    cache = use_redis(proxy.url.replace("/0", "/1"))
    assert call(cache, "reserve", "a")
    proxy.lose("cut request", among=lambda request: b"SELECT" in request)
    assert call(cache, "release", "a") is True


def test_a_server_that_does_not_know_the_script_is_asked_again(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    """It has said that it did nothing."""
    cache = use_redis(redis_url)
    assert call(cache, "reserve", "a")
    server.script_flush()
    assert call(cache, "release", "a") is True
    assert server.dbsize() == 0
