"""A Redis that lost its memory cannot be used for a replay, if it is told to refuse."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from jti_replay import ColdStart, replay_cache
from jti_replay.backends.base import BaseReplayCache
from jti_replay.decorators import reserve_jti
from tests.backends.conftest import Call, UseRedis
from tests.servers.lossy_proxy import LossyProxy, every_request
from tests.servers.redis import RedisProcess
from tests.tokens.tokens import PROFILE, bearer, signed

MARKER = b"jti:since"
A_WHILE = 120
"""Seconds for which a server is said to have run."""


@pytest.fixture
def persistent(redis_server: str, tmp_path: Path) -> Iterator[RedisProcess]:
    """A Redis that writes down what it is told, as the docs ask for."""
    options = ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(tmp_path)]
    with RedisProcess(redis_server, *options) as process:
        yield process


def age(server: redis.Redis) -> float:
    """Let the memory of a server be older than it is. Return when it begins."""
    since = time.time() - A_WHILE
    server.set(MARKER, round(since * 1000))
    return since


def refused(call: Call, cache: BaseReplayCache, jti: str, usable_since: float) -> ColdStart:
    with pytest.raises(ColdStart) as caught:
        call(cache, "reserve", jti, usable_since=usable_since)
    return caught.value


def test_the_first_one_finds_no_memory_and_is_refused(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    """Whatever the clocks say: what came before is not known."""
    cache = use_redis(redis_url, COLD_START="refuse")
    before = time.time()
    assert refused(call, cache, "a", time.time() - 60).retry_after > 59
    assert server.keys() == [MARKER]
    since = int(server.get(MARKER) or 0) / 1000
    assert before < since < time.time() + 1
    assert server.ttl(MARKER) == -1
    time.sleep(0.002)  # The marker tells milliseconds.
    server.flushall()
    assert refused(call, cache, "a", time.time() + 5).retry_after == 0
    assert call(cache, "reserve", "a", usable_since=time.time() + 5)
    assert call(cache, "start_memory") > since


def test_the_marker_costs_no_round_trip(
    call: Call, use_redis: UseRedis, proxy: LossyProxy
) -> None:
    cache = use_redis(proxy.url, COLD_START="refuse")
    refused(call, cache, "a", 0)
    proxy.lose(among=every_request)
    assert call(cache, "reserve", "a", usable_since=time.time() + 5)
    assert call(cache, "reserve", "a", usable_since=time.time() + 5) is None
    assert len(proxy.requests) == 2


@pytest.mark.parametrize("loss", ["drop request", "cut request", "drop reply", "cut reply"])
def test_after_one_lost_message_the_jti_is_reserved_once(
    loss: Any, call: Call, use_redis: UseRedis, proxy: LossyProxy, server: redis.Redis
) -> None:
    since = age(server)
    cache = use_redis(proxy.url, COLD_START="refuse", OPTIONS={"timeout": 1})
    assert call(cache, "reserve", "warm", usable_since=since + 1)
    proxy.lose(loss)
    reservation = call(cache, "reserve", "a", usable_since=since + 1)
    assert proxy.lost == 1
    assert call(cache, "reserve", "a", usable_since=since + 1) is None
    assert call(reservation, "release") is True


def test_what_is_refused_is_not_reserved(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    since = age(server)
    cache = use_redis(redis_url, COLD_START="refuse")
    refused(call, cache, "a", since - 1)
    assert server.keys() == [MARKER]
    assert call(cache, "reserve", "a", usable_since=since + 1)


def test_a_flushed_server_refuses_what_may_have_been_used(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    since = age(server)
    cache = use_redis(redis_url, COLD_START="refuse")
    assert call(cache, "reserve", "used", usable_since=since + 1)
    server.flushdb()
    refused(call, cache, "used", since + 1)
    refused(call, cache, "used", since + 1)
    assert call(cache, "reserve", "new", usable_since=time.time() + 1)


def test_a_restart_without_persistence_is_a_cold_start(
    call: Call, use_redis: UseRedis, redis_of_ones_own: RedisProcess
) -> None:
    with redis_of_ones_own.client() as server:
        since = age(server)
    cache = use_redis(redis_of_ones_own.url, COLD_START="refuse")
    assert call(cache, "reserve", "used", usable_since=since + 1)
    redis_of_ones_own.stop()
    redis_of_ones_own.start()
    refused(call, cache, "used", since + 1)


def test_a_killed_server_that_wrote_all_down_forgets_nothing(
    call: Call, use_redis: UseRedis, persistent: RedisProcess
) -> None:
    """So it is no cold start, and a replay is one."""
    with persistent.client() as server:
        since = age(server)
    cache = use_redis(persistent.url, COLD_START="refuse")
    assert call(cache, "reserve", "used", usable_since=since + 1)
    persistent.stop()
    persistent.start()
    assert call(cache, "reserve", "used", usable_since=since + 1) is None
    assert call(cache, "reserve", "new", usable_since=since + 1)


def test_all_that_find_it_missing_at_once_agree_on_a_moment(
    use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(redis_url, COLD_START="refuse")
    with ThreadPoolExecutor(16) as executor:
        moments = set(executor.map(lambda _: cache.start_memory(), range(64)))
    assert len(moments) == 1


def test_a_cache_that_accepts_writes_no_marker(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    assert call(use_redis(redis_url), "reserve", "a", usable_since=0)
    assert MARKER not in server
    cache = use_redis(redis_url, COLD_START="refuse")
    assert call(cache, "complete_since") is None
    assert MARKER not in server
    assert call(cache, "start_memory") == call(cache, "complete_since") > 0
    assert MARKER in server


def test_a_marker_that_is_none_is_an_error(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    from jti_replay import CacheError

    server.set(MARKER, "?")
    cache = use_redis(redis_url, COLD_START="refuse")
    with pytest.raises(CacheError):
        call(cache, "reserve", "a", usable_since=time.time())


@reserve_jti(atomic=False)
def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


def test_a_request_with_a_token_from_before_is_answered_503(
    use_redis: UseRedis, redis_url: str, server: redis.Redis, settings: Any
) -> None:
    use_redis(redis_url, COLD_START="refuse")
    settings.JTI_REPLAY["PROFILES"] = {"default": PROFILE | {"LEEWAY": 1}}
    settings.ROOT_URLCONF = (path("", view),)
    age(server)
    used = bearer(signed(iat=time.time() - 20))
    assert Client().get("/", headers=used).status_code == 200
    assert Client().get("/", headers=used).status_code == 401
    server.flushdb()
    for _ in range(2):
        response = Client().get("/", headers=used)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
    since = replay_cache.start_memory() or 0
    time.sleep(0.05)  # An iat may be ahead by the leeway, and no more.
    fresh = bearer(signed(jti="fresh", iat=since + 1))
    assert Client().get("/", headers=fresh).status_code == 200
    assert Client().get("/", headers=fresh).status_code == 401
