"""A call may end between a command and its reply, by a signal or because it is cancelled."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import pytest
import redis
import redis.asyncio

from jti_replay import CacheError
from jti_replay.backends import lost_replies
from jti_replay.backends.redis.transport.call import Call
from jti_replay.backends.redis.transport.loop_connections import LoopConnections
from jti_replay.backends.redis.transport.thread_connections import ThreadConnections
from tests.backends.conftest import UseRedis
from tests.backends.memory import interrupting

SEEN, NEW = ("EXISTS", "seen"), ("EXISTS", "new")


class Interruption(BaseException):
    """What the handler of a signal raises, such as that of a worker's time limit."""


class InterruptedConnection(redis.Connection):
    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        super().send_packed_command(command, check_health)
        if b"seen" in b"".join(command):
            raise Interruption


class AsyncInterruptedConnection(redis.asyncio.Connection):
    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        await super().send_packed_command(command, check_health)
        if b"seen" in b"".join(command):
            raise Interruption


def test_its_reply_is_not_taken_for_that_of_the_next_call(
    server: redis.Redis, redis_url: str
) -> None:
    server.set("seen", "1")
    pool = redis.ConnectionPool.from_url(redis_url, connection_class=InterruptedConnection)
    connections = ThreadConnections(pool, 5)
    with pytest.raises(Interruption):
        connections.exchange([SEEN], Call(5))
    assert connections.exchange([NEW], Call(5)) == [0]
    connections.close()


async def test_nor_is_it_on_an_event_loop(server: redis.Redis, redis_url: str) -> None:
    server.set("seen", "1")
    pool = redis.asyncio.ConnectionPool.from_url(
        redis_url, connection_class=AsyncInterruptedConnection
    )
    connections = LoopConnections(pool, 5)
    with pytest.raises(Interruption):
        await connections.exchange([SEEN], Call(5))
    assert await connections.exchange([NEW], Call(5)) == [0]
    await connections.aclose()


@pytest.mark.parametrize("begins", [False, True])
def test_an_interrupted_connect_is_not_waited_for(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, begins: bool
) -> None:
    """A connection whose thread may never have run is made by the next call."""
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if begins:
            start(thread)
            thread.join()
        raise Interruption

    connections = ThreadConnections(redis.ConnectionPool.from_url(redis_url), 5)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(Interruption):
            connections.exchange([NEW], Call(5))
    assert connections.exchange([NEW], Call(5)) == [0]
    connections.close()


def test_a_thread_that_runs_late_makes_no_second_connection(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread whose start was interrupted leaves the connection to the next call."""
    late: list[threading.Thread] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        late.append(thread)
        raise Interruption

    connections = ThreadConnections(redis.ConnectionPool.from_url(redis_url), 5)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(Interruption):
            connections.exchange([NEW], Call(5))
    start(late[0])
    late[0].join()
    [connection] = connections.pool._available_connections
    assert not connection.is_connected
    connections.close()


async def test_a_connection_that_is_gone_is_closed_without_an_error(redis_url: str) -> None:
    """It may have been closed from outside when a reply was due."""
    pool: Any = redis.ConnectionPool.from_url(redis_url)
    ThreadConnections(pool, 5)
    connection = pool.make_connection()
    connection.is_reply_due = True
    connection.disconnect()
    async_pool: Any = redis.asyncio.ConnectionPool.from_url(redis_url)
    LoopConnections(async_pool, 5)
    async_connection = async_pool.make_connection()
    async_connection.is_reply_due = True
    await async_connection.disconnect()
    assert not connection.is_connected
    assert not async_connection.is_connected


def test_a_reserve_is_taken_back_wherever_it_is_interrupted(
    use_redis: UseRedis, redis_url: str, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after its reply has been read, when nothing is unknown and nobody has the entry."""
    monkeypatch.setattr(lost_replies, "SECOND_PASS_DELAY", 0)
    cache = use_redis(redis_url)
    assert cache.reserve("warm")

    def work(interrupter: interrupting.Interrupter) -> None:
        has_reserved = False
        with suppress(
            interrupting.Interruption, CacheError
        ):  # It may be the failure of a reconnect.
            has_reserved = interrupter.run(lambda: cache.reserve("a")) is not None
        deadline = time.monotonic() + 10
        while not has_reserved and server.dbsize() > 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert server.dbsize() == 1 + has_reserved
        cache.release("a")

    assert interrupting.each_place(work, interrupting.strike) > 50
