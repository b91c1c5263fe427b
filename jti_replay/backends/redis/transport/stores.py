"""
A Redis as the cache in it sees it: something that carries out commands for a key.

It may be one server, the primary of several that Sentinel watches over, or a cluster.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from redis import Redis
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelPool
from redis.sentinel import SentinelConnectionPool

from jti_replay.backends.redis.scripts import Command

from .async_connections import AsyncConnections
from .exchange import exchange


class Store(Protocol):
    """
    Deadlines are moments of :func:`time.monotonic` by which all must be over.

    Every method raises a :exc:`redis.RedisError` if no server answers in time.
    """

    def send(self, key: bytes, commands: Sequence[Command], deadline: float) -> list[Any]:
        """
        Send commands in one go on one connection to the server that holds a key. Return
        their replies, of which those that are errors are returned in their place.
        """

    def send_each(
        self, commands: Sequence[tuple[bytes, Command]], deadline: float
    ) -> list[Any]:
        """Send each command to the server that holds its key. Return replies in any order."""

    def recover(self, deadline: float) -> bool:
        """Prepare for a second attempt. Return whether there is time for it."""

    def servers(self, deadline: float) -> list[tuple[str, Redis]]:
        """Return clients of the servers that hold keys, with their names if there are many."""

    def close(self) -> None:
        """Let connections go. The next call connects again."""


class AsyncStore(Protocol):
    """Does what a :class:`Store` does, on one event loop."""

    async def send(self, key: bytes, commands: Sequence[Command], deadline: float) -> list[Any]:
        """Do what :meth:`Store.send` does."""

    async def send_each(
        self, commands: Sequence[tuple[bytes, Command]], deadline: float
    ) -> list[Any]:
        """Do what :meth:`Store.send_each` does."""

    async def recover(self, deadline: float) -> bool:
        """Do what :meth:`Store.recover` does."""

    async def aclose(self) -> None:
        """Close the connections for good."""


class Server:
    """One server: it holds every key. With Sentinel, whichever is the primary."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def send(self, key: bytes, commands: Sequence[Command], deadline: float) -> list[Any]:
        """Send commands. The time limit is that of the connection."""
        return exchange(self._client, commands)

    def send_each(
        self, commands: Sequence[tuple[bytes, Command]], deadline: float
    ) -> list[Any]:
        """Send commands, all to the same one."""
        return exchange(self._client, [command for _, command in commands])

    def recover(self, deadline: float) -> bool:
        """Do nothing: the next connection asks Sentinel anew by itself."""
        return True

    def servers(self, deadline: float) -> list[tuple[str, Redis]]:
        """Return the only one."""
        return [("", self._client)]

    def close(self) -> None:
        """Let the connections of all threads go."""
        pool = self._client.connection_pool
        pool.disconnect()
        if isinstance(pool, SentinelConnectionPool):
            for sentinel in pool.sentinel_manager.sentinels:
                sentinel.close()


class AsyncServer:
    """A :class:`Server` for one event loop."""

    def __init__(self, connections: AsyncConnections) -> None:
        self._connections = connections

    async def send(self, key: bytes, commands: Sequence[Command], deadline: float) -> list[Any]:
        """Send commands."""
        return await self._connections.exchange(commands, deadline)

    async def send_each(
        self, commands: Sequence[tuple[bytes, Command]], deadline: float
    ) -> list[Any]:
        """Send commands, all to the same one."""
        return await self.send(b"", [command for _, command in commands], deadline)

    async def recover(self, deadline: float) -> bool:
        """Do nothing: the next connection asks Sentinel anew by itself."""
        return time.monotonic() < deadline

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connections.aclose()
        pool = self._connections.pool
        if isinstance(pool, AsyncSentinelPool):
            for sentinel in pool.sentinel_manager.sentinels:
                await sentinel.aclose()
