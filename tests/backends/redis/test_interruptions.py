"""A call may end between a command and its reply, by a signal or because it is cancelled."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio

from jti_replay.backends.redis.transport.call import Call
from jti_replay.backends.redis.transport.loop_connections import LoopConnections
from jti_replay.backends.redis.transport.thread_connections import ThreadConnections

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
