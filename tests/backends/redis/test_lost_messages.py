"""Requests and replies that a network loses never turn one's own success into a replay."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from jti_replay import CacheError, Reservation
from jti_replay.backends.redis.options import RedisOptions
from tests.backends.conftest import Call, UseRedis
from tests.servers.lossy_proxy import LossyProxy, every_request
from tests.servers.proxy import Loss
from tests.stopwatch import takes_at_most

LOSSES: list[Loss] = ["drop request", "cut request", "drop reply", "cut reply"]
TIMEOUT = {"timeout": 1}

RETRIES: dict[str, dict[str, Any]] = {
    "no retries of django-redis": {},
    "retries of django-redis": {
        "CONNECTION_POOL_KWARGS": {
            "retry": Retry(ConstantBackoff(0.01), 5),
            "retry_on_timeout": True,
            "retry_on_error": [redis.ConnectionError, redis.TimeoutError],
            "socket_timeout": 30,
        },
        "SOCKET_TIMEOUT": 20,
        "SOCKET_CONNECT_TIMEOUT": 20,
    },
}


@pytest.mark.parametrize("options", RETRIES.values(), ids=RETRIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_after_one_lost_message_the_jti_is_reserved_once(
    loss: Loss,
    options: dict[str, Any],
    call: Call,
    use_redis: UseRedis,
    proxy: LossyProxy,
    server: redis.Redis,
) -> None:
    cache = use_redis(proxy.url, options, OPTIONS=TIMEOUT)
    assert call(cache, "reserve", "warm")
    proxy.lose(loss)
    reservation = call(cache, "reserve", "a")
    assert isinstance(reservation, Reservation)
    assert proxy.lost == 1
    assert len(proxy.requests) == 2
    assert server.dbsize() == 2
    assert call(cache, "reserve", "a") is None
    assert call(reservation, "release") is True
    assert server.dbsize() == 1


@pytest.mark.parametrize("loss", ["drop request", "cut reply"])
@pytest.mark.parametrize("place", range(4))
def test_a_message_lost_in_the_setup_of_a_connection_costs_nothing(
    place: int,
    loss: Loss,
    call: Call,
    use_redis: UseRedis,
    proxy: LossyProxy,
    server: redis.Redis,
) -> None:
    """Wherever it is: in the handshake, where the script is new, or in the reserve itself."""
    cache = use_redis(proxy.url, OPTIONS=TIMEOUT)
    proxy.lose(*[None] * place, loss, among=every_request)
    assert call(cache, "reserve", "a")
    assert server.dbsize() == 1
    assert call(cache, "reserve", "a") is None


@pytest.mark.parametrize("loss", LOSSES)
def test_a_replay_stays_a_replay_when_a_message_is_lost(
    loss: Loss, call: Call, use_redis: UseRedis, proxy: LossyProxy
) -> None:
    cache = use_redis(proxy.url, OPTIONS=TIMEOUT)
    assert call(cache, "reserve", "a")
    proxy.lose(loss)
    assert call(cache, "reserve", "a") is None
    assert proxy.lost == 1


@pytest.mark.parametrize("loss", LOSSES)
def test_a_release_is_carried_out_when_a_message_is_lost(
    loss: Loss, call: Call, use_redis: UseRedis, proxy: LossyProxy, server: redis.Redis
) -> None:
    cache = use_redis(proxy.url, OPTIONS=TIMEOUT)
    reservation = call(cache, "reserve", "a")
    proxy.lose(loss)
    freed = call(reservation, "release")
    assert server.dbsize() == 0
    if loss.endswith("request"):
        assert freed is True


@pytest.mark.parametrize("loss", LOSSES)
def test_if_all_messages_are_lost_it_raises_in_time(
    loss: Loss, call: Call, use_redis: UseRedis, proxy: LossyProxy
) -> None:
    """However patient the settings of django-redis are."""
    cache = use_redis(proxy.url, RETRIES["retries of django-redis"], OPTIONS=TIMEOUT)
    proxy.lose_all(loss)
    with takes_at_most(1), pytest.raises(CacheError) as caught:
        call(cache, "reserve", "a")
    assert isinstance(caught.value.__cause__, redis.ConnectionError | redis.TimeoutError)


def test_by_default_it_raises_within_a_second(
    call: Call, use_redis: UseRedis, proxy: LossyProxy
) -> None:
    cache = use_redis(proxy.url, OPTIONS={"timeout": RedisOptions().timeout})
    proxy.lose_all("drop request")
    with takes_at_most(0.8), pytest.raises(CacheError):
        call(cache, "reserve", "a")


def test_a_warm_connection_that_goes_silent_raises_in_time(
    call: Call, use_redis: UseRedis, proxy: LossyProxy
) -> None:
    cache = use_redis(proxy.url, OPTIONS={"timeout": 0.6})
    reservation = call(cache, "reserve", "a")
    proxy.lose_all("drop reply")
    for owner, name, args in (
        (cache, "reserve", ["b"]),
        (cache, "release", ["a"]),
        (reservation, "release", []),
    ):
        with takes_at_most(0.6), pytest.raises(CacheError):
            call(owner, name, *args)


@pytest.mark.parametrize("timeout", [0.1, 0.3])
def test_the_timeout_option_is_the_limit(
    timeout: float, call: Call, use_redis: UseRedis, proxy: LossyProxy
) -> None:
    cache = use_redis(proxy.url, OPTIONS={"timeout": timeout})
    proxy.lose_all("drop request")
    with takes_at_most(timeout, at_least=timeout * 0.9), pytest.raises(CacheError):
        call(cache, "reserve", "a")


def test_limits_in_the_url_do_not_count(
    call: Call, use_redis: UseRedis, proxy: LossyProxy
) -> None:
    url = f"{proxy.url}?socket_timeout=20&socket_connect_timeout=20&retry_on_timeout=yes"
    cache = use_redis(url, OPTIONS={"timeout": 0.2})
    proxy.lose_all("drop request")
    with takes_at_most(0.2), pytest.raises(CacheError):
        call(cache, "reserve", "a")


def test_after_the_loss_of_all_messages_a_retry_of_the_caller_wins(
    call: Call, use_redis: UseRedis, proxy: LossyProxy, server: redis.Redis
) -> None:
    cache = use_redis(proxy.url, OPTIONS={"timeout": 0.6})
    proxy.lose_all("drop request")
    with pytest.raises(CacheError):
        call(cache, "reserve", "a")
    assert server.dbsize() == 0
    proxy.lose()
    assert call(cache, "reserve", "a")


def test_two_aliases_with_one_url_have_limits_of_their_own(
    call: Call, settings: Any, proxy: LossyProxy
) -> None:
    from django.core.cache import caches as django_caches

    from jti_replay import replay_caches

    django_redis = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": proxy.url}
    slow = {"CONNECTION_POOL_KWARGS": {"socket_timeout": 20, "retry": None}}
    settings.CACHES = {"default": {**django_redis, "OPTIONS": slow}, "other": django_redis}
    backend = {"BACKEND": "jti_replay.backends.redis.RedisCache"}
    settings.JTI_REPLAY = {
        "CACHES": {
            "default": {**backend, "LOCATION": "default", "OPTIONS": {"timeout": 0.1}},
            "patient": {**backend, "LOCATION": "other", "OPTIONS": {"timeout": 0.4}},
        }
    }
    # The cache of Django is the first one to have a pool for this URL.
    django_caches["default"].set("a", 1)
    try:
        proxy.lose_all("drop request")
        for alias, timeout in (("default", 0.1), ("patient", 0.4)):
            with takes_at_most(timeout, at_least=timeout * 0.9), pytest.raises(CacheError):
                call(replay_caches[alias], "reserve", "a")
    finally:
        django_caches["default"].client.get_client().connection_pool.disconnect()
