"""
A Redis as the cache in it sees it: something that carries out commands for a key.

It may be one server, the primary of several that Sentinel watches over, or a cluster.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from redis import Redis

from jti_replay.backends.redis.scripts import Command

from .call import Call
from .loop_connections import LoopConnections
from .thread_connections import ThreadConnections


class Store(Protocol):
    """Every method raises a :exc:`redis.RedisError` if no server answers in a call's time."""

    def send(self, key: bytes, commands: Sequence[Command], call: Call) -> list[Any]:
        """
        Send commands in one go on one connection to the server that holds a key. Return
        their replies, of which those that are errors are returned in their place.
        """

    def send_each(self, commands: Sequence[tuple[bytes, Command]], call: Call) -> list[Any]:
        """Send each command to the server that holds its key. Return replies in any order."""

    def recover(self, call: Call) -> bool:
        """Prepare for a second attempt. Return whether there is time for it."""

    def servers(self, call: Call) -> list[tuple[str, Redis]]:
        """Return clients of the servers that hold keys, with their names if there are many."""

    def close(self) -> None:
        """Let connections go. The next call connects again."""


class AsyncStore(Protocol):
    """A :class:`Store` for one event loop."""

    async def send(self, key: bytes, commands: Sequence[Command], call: Call) -> list[Any]:
        """Async version of :meth:`Store.send`."""

    async def send_each(
        self, commands: Sequence[tuple[bytes, Command]], call: Call
    ) -> list[Any]:
        """Async version of :meth:`Store.send_each`."""

    async def recover(self, call: Call) -> bool:
        """Async version of :meth:`Store.recover`."""

    async def aclose(self) -> None:
        """Close the connections for good."""


class Server:
    """
    One server: it holds every key. With Sentinel, it is the primary.

    ``wait`` is the time limit, in seconds, of an exchange, and ``wait_to_share`` that for
    another thread to let go of a connection.
    """

    def __init__(self, client: Redis, wait: float, wait_to_share: float) -> None:
        self._client = client
        self._wait_to_share = wait_to_share
        self._connections = ThreadConnections(client.connection_pool, wait)

    def send(self, key: bytes, commands: Sequence[Command], call: Call) -> list[Any]:
        """Send commands."""
        return self._connections.exchange(commands, call)

    def send_each(self, commands: Sequence[tuple[bytes, Command]], call: Call) -> list[Any]:
        """Send commands, all to the same server."""
        return self._connections.exchange([command for _, command in commands], call)

    def recover(self, call: Call) -> bool:
        """Use a new connection, which asks Sentinel once more by itself."""
        call.use_new_connections()
        return time.monotonic() + self._wait_to_share < call.deadline

    def servers(self, call: Call) -> list[tuple[str, Redis]]:
        """Return the only one."""
        return [("", self._client)]

    def close(self) -> None:
        """Let the connections of all threads go."""
        self._connections.close()


class AsyncServer:
    """A :class:`Server` for one event loop."""

    def __init__(self, connections: LoopConnections) -> None:
        self._connections = connections

    async def send(self, key: bytes, commands: Sequence[Command], call: Call) -> list[Any]:
        """Async version of :meth:`Server.send`."""
        return await self._connections.exchange(commands, call)

    async def send_each(
        self, commands: Sequence[tuple[bytes, Command]], call: Call
    ) -> list[Any]:
        """Async version of :meth:`Server.send_each`."""
        return await self._connections.exchange([command for _, command in commands], call)

    async def recover(self, call: Call) -> bool:
        """Async version of :meth:`Server.recover`."""
        call.use_new_connections()
        return time.monotonic() < call.deadline

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connections.aclose()
