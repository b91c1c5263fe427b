"""A Redis that is slow, not dead: each of its replies takes its time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import redis

from jti_replay import CacheError
from jti_replay.backends.redis.diagnosis.connecting import examine_connecting, judge_connecting
from jti_replay.backends.redis.options import RedisOptions
from jti_replay.backends.redis.transport.thread_connection import thread_connection_class
from tests.backends.conftest import Call, UseRedis
from tests.servers.lossy_proxy import LossyProxy, every_request
from tests.servers.redis import RedisProcess
from tests.stopwatch import takes_at_most

DEFAULTS: dict[str, Any] = {"OPTIONS": {"timeout": RedisOptions().timeout}}
"""The limit for a call as it is without options: 0.8 seconds."""


@pytest.fixture
def slow(redis_of_ones_own: RedisProcess) -> Iterator[LossyProxy]:
    with LossyProxy(redis_of_ones_own.port, delay=0.12) as proxy:
        yield proxy


def test_the_first_call_succeeds(call: Call, use_redis: UseRedis, slow: LossyProxy) -> None:
    """It makes a connection, chooses a database, and sends a script that nobody knows."""
    cache = use_redis(slow.url.replace("/0", "/1"), **DEFAULTS)
    slow.lose(among=every_request)
    first = call(cache, "reserve", "first")
    assert first
    sent = [request.split(b"\r\n")[2].decode() for request in slow.requests]
    assert sent == ["SELECT", "EVALSHA", "EVAL"]
    assert call(cache, "reserve", "first") is None
    assert call(first, "release") is True


def test_a_password_takes_one_more_round_trip(
    call: Call, use_redis: UseRedis, redis_server: str
) -> None:
    """redis-py would say and ask more, each in a round trip of its own."""
    with (
        RedisProcess(redis_server, "--requirepass", "secret") as process,
        LossyProxy(process.port) as proxy,
    ):
        url = proxy.url.replace("//", "//:secret@")
        cache = use_redis(url, {"CONNECTION_POOL_KWARGS": {"protocol": 3}}, **DEFAULTS)
        proxy.lose(among=every_request)
        assert call(cache, "reserve", "a")
        sent = [request.split(b"\r\n")[2].decode() for request in proxy.requests]
        assert sent == ["AUTH", "EVALSHA", "EVAL"]


def test_timeout_bounds_it_all(
    call: Call, use_redis: UseRedis, redis_of_ones_own: RedisProcess
) -> None:
    """Each reply alone comes in time, but all of them together do not."""
    with LossyProxy(redis_of_ones_own.port, delay=0.45) as slow:
        cache = use_redis(slow.url.replace("/0", "/1"), OPTIONS={"timeout": 1})
        with takes_at_most(1), pytest.raises(CacheError):
            call(cache, "reserve", "first")


def test_a_script_that_is_not_known_counts(
    call: Call, use_redis: UseRedis, redis_of_ones_own: RedisProcess
) -> None:
    """The question whether it is, and the script itself, have one time limit."""
    with LossyProxy(redis_of_ones_own.port, delay=0.3) as slow:
        cache = use_redis(slow.url, OPTIONS={"timeout": 1.2})
        call(cache, "reserve", "warm")
        with redis_of_ones_own.client() as client:
            client.script_flush()
        slow.lose(None, "drop reply")
        with takes_at_most(1.2), pytest.raises(CacheError):
            call(cache, "reserve", "a")


def test_a_connection_outlives_the_call_that_gave_up(
    call: Call, use_redis: UseRedis, redis_of_ones_own: RedisProcess
) -> None:
    """The next one finds it ready, so that it needs one round trip."""
    with (
        redis_of_ones_own.client() as client,
        LossyProxy(redis_of_ones_own.port, delay=0.45) as slow,
    ):
        assert call(use_redis(redis_of_ones_own.url), "reserve", "warm")  # The script is known.
        client.config_set("requirepass", "secret")
        # There is time for two round trips, and this takes three.
        url = slow.url.replace("/0", "/1").replace("//", "//:secret@")
        cache = use_redis(url, OPTIONS={"timeout": 1.2})
        with pytest.raises(CacheError):
            call(cache, "reserve", "first")
        call(Pause(), "pause")
        before = connections(client)
        assert call(cache, "reserve", "second")
        assert connections(client) == before


class Pause:
    """Time for what goes on behind, in a thread or on the running event loop."""

    def pause(self) -> None:
        threading.Event().wait(0.5)

    async def apause(self) -> None:
        await asyncio.sleep(0.5)


def connections(client: redis.Redis) -> int:
    return int(client.info("stats")["total_connections_received"])


async def test_a_task_that_is_cancelled_leaves_a_connection(
    use_redis: UseRedis, slow: LossyProxy, redis_of_ones_own: RedisProcess
) -> None:
    """It goes on being made, and the next task has it."""
    cache = use_redis(slow.url.replace("/0", "/1"))
    task = asyncio.create_task(cache.areserve("a"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with redis_of_ones_own.client() as client:
        before = connections(client)
        assert await cache.areserve("b")
        assert connections(client) == before
    await cache.aclose()


async def test_a_close_ends_a_connection_that_is_being_made(
    use_redis: UseRedis, slow: LossyProxy
) -> None:
    """The call that waits for it fails, or makes another; it is not cancelled."""
    cache = use_redis(slow.url.replace("/0", "/1"))
    task = asyncio.create_task(cache.areserve("a"))
    await asyncio.sleep(0.05)
    await cache.aclose()
    assert await task
    await cache.aclose()


def test_without_a_thread_it_connects_itself(
    use_redis: UseRedis, redis_url: str, monkeypatch: pytest.MonkeyPatch, server: redis.Redis
) -> None:
    """The interpreter starts none while it shuts down."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    cache = use_redis(redis_url)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert cache.reserve("a")


def test_a_connection_that_is_made_is_not_made_twice(redis_url: str) -> None:
    """To connect what is connected is to do nothing."""
    pool = redis.ConnectionPool.from_url(redis_url)
    connection_class: Any = thread_connection_class(pool.connection_class)
    connection = connection_class(**pool.connection_kwargs)
    connection.connect()
    made_at = connection.made_at
    connection.connect()
    assert connection.made_at == made_at
    connection.disconnect()


def test_doctor_times_a_new_connection(slow: LossyProxy) -> None:
    """The latency of one that stands does not tell how long the first call takes."""
    with redis.Redis.from_url(f"{slow.url}?protocol=2") as client:
        [finding] = examine_connecting(client, 0.3)
    assert finding.key == "new-connection"
    assert finding.value > 120
    assert finding.check == "jti_replay.W025"
    assert "300 ms" in finding.text


@pytest.mark.parametrize(("seconds", "level"), [(0.4, "ok"), (0.41, "warning")])
def test_half_of_the_time_is_enough_for_it(seconds: float, level: str) -> None:
    """The other half is for what it is made for."""
    assert judge_connecting(seconds, 0.8).level == level


def test_a_connection_that_is_interrupted_is_waited_for_again(redis_url: str) -> None:
    """A thread that a signal interrupts leaves it to the next one."""
    pool = redis.ConnectionPool.from_url(redis_url)
    connection: Any = thread_connection_class(pool.connection_class)(**pool.connection_kwargs)
    connection._making = Future()
    connection.patience.deadline = 0.0
    try:
        with pytest.raises(redis.TimeoutError):
            connection.connect()
        connection._making.set_exception(redis.ConnectionError("refused"))
        with pytest.raises(redis.ConnectionError, match="refused"):
            connection.connect()
        assert connection._making is None
    finally:
        connection.patience.deadline = None
