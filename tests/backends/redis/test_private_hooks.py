"""What of redis-py and django-redis is used beyond what their documentation promises."""

from __future__ import annotations

import asyncio
import inspect
import socket
from typing import Any

import django_redis.pool
import pytest
import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from django_redis.client import DefaultClient

POOLS = [
    redis.ConnectionPool,
    redis.BlockingConnectionPool,
    redis.sentinel.SentinelConnectionPool,
]
CONNECTIONS = [
    redis.Connection,
    redis.SSLConnection,
    redis.UnixDomainSocketConnection,
    redis.sentinel.SentinelManagedConnection,
]


@pytest.mark.parametrize("connection_class", CONNECTIONS)
def test_connections_of_threads(connection_class: Any) -> None:
    """The mixin overrides, and calls, these methods."""
    for name in ("connect", "disconnect", "can_read", "_get_socket", "send_packed_command"):
        assert callable(getattr(connection_class, name)), name
    assert isinstance(connection_class.is_connected, property)
    assert "timeout" in inspect.signature(connection_class.read_response).parameters


@pytest.mark.parametrize("pool_class", POOLS)
def test_pools_of_threads(pool_class: Any) -> None:
    """Connections are taken out, and put back."""
    for name in ("get_connection", "release", "disconnect", "reset", "from_url"):
        assert callable(getattr(pool_class, name)), name
    assert "inuse_connections" in inspect.signature(pool_class.disconnect).parameters


def test_a_connection_of_a_thread(redis_url: str) -> None:
    """Its socket, and the process that made it, are known."""
    pool = redis.ConnectionPool.from_url(redis_url)
    connection: Any = pool.connection_class(**pool.connection_kwargs)
    assert not connection.is_connected
    connection.connect()
    assert isinstance(connection._get_socket(), socket.socket)
    assert isinstance(connection.pid, int)
    connection.disconnect()
    assert connection._get_socket() is None


def test_a_connection_of_an_event_loop(redis_url: str) -> None:
    """Its transport can be aborted, and its time limit changed."""

    async def main() -> None:
        pool: Any = redis.asyncio.ConnectionPool.from_url(redis_url)
        connection = pool.get_available_connection()
        assert not connection.is_connected
        await pool.ensure_connection(connection)
        assert connection.is_connected
        assert connection._writer.get_extra_info("socket").fileno() > 0
        assert callable(connection._writer.transport.abort)
        for name in ("socket_timeout", "socket_connect_timeout"):
            assert hasattr(connection, name), name
        await pool.release(connection)
        await pool.aclose()
        assert connection._writer is None
        assert isinstance(pool.max_connections, int)

    asyncio.run(main())


def test_django_redis() -> None:
    """Pools are kept on the factory, and the client takes one of its own."""
    assert django_redis.pool.ConnectionFactory._pools is not None
    factory: Any = django_redis.pool.ConnectionFactory({})
    for name in ("pool_cls", "pool_cls_kwargs", "redis_client_cls", "redis_client_cls_kwargs"):
        assert hasattr(factory, name), name
    assert callable(factory.make_connection_params)
    assert "write" in inspect.signature(DefaultClient.get_client).parameters


def test_sentinels_are_closed_by_their_clients() -> None:
    """Those that a pool has asked are kept there."""
    manager = redis.sentinel.Sentinel([("127.0.0.1", 1)])  # type: ignore[no-untyped-call]
    assert [type(client) for client in manager.sentinels] == [redis.Redis]
    asked: Any = redis.asyncio.sentinel.Sentinel([("127.0.0.1", 1)])
    assert [type(client) for client in asked.sentinels] == [redis.asyncio.Redis]
