"""A call may end between a command and its reply, by a signal or because it is cancelled."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis
import redis.asyncio

from jti_replay.backends.redis.transport.async_connections import AsyncConnections
from jti_replay.backends.redis.transport.exchange import exchange

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
    with redis.Redis.from_pool(pool) as client:
        with pytest.raises(Interruption):
            exchange(client, [SEEN])
        assert exchange(client, [NEW]) == [0]


async def test_nor_is_it_on_an_event_loop(server: redis.Redis, redis_url: str) -> None:
    server.set("seen", "1")
    pool = redis.asyncio.ConnectionPool.from_url(
        redis_url, connection_class=AsyncInterruptedConnection
    )
    connections, deadline = AsyncConnections(pool, 5), time.monotonic() + 5
    with pytest.raises(Interruption):
        await connections.exchange([SEEN], deadline)
    assert await connections.exchange([NEW], deadline) == [0]
    await connections.aclose()
