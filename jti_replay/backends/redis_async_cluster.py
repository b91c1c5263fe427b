"""A Redis Cluster for one event loop. :mod:`.redis_cluster` says what is peculiar about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,
    MovedError,
    TimeoutError,
)

from .redis_exchange import aexchange
from .redis_scripts import Command


class AsyncCluster:
    """
    A cluster. ``connect`` makes the client that keeps its map; ``wait`` is the longest time,
    in seconds, for which a node, and the map, is waited for.
    """

    def __init__(self, connect: Callable[[], Awaitable[RedisCluster]], wait: float) -> None:
        self._connect = connect
        self._wait = wait
        self._client: RedisCluster | None = None
        self._failure: Exception | None = None
        self._mapping: asyncio.Task[None] | None = None
        self._nodes: dict[str, Redis] = {}

    async def send(self, key: bytes, commands: Sequence[Command], deadline: float) -> list[Any]:
        """Send commands to the node that holds a key, and on to where it says the key is."""
        client = await self._connected(deadline)
        node, asking = _holder(client, key), False
        while True:
            sent = [("ASKING",), *commands] if asking else commands
            replies = (await aexchange(self._to(node), sent))[-len(commands) :]
            answer = replies[0]
            if isinstance(answer, ClusterDownError):  # Or this node has lost touch with it.
                raise answer
            if not isinstance(answer, AskError):
                return replies
            if time.monotonic() + self._wait > deadline:
                raise TimeoutError("There is no time to follow where the key has gone.")
            asking = not isinstance(answer, MovedError)
            if asking:
                asked = client.get_node(answer.host, answer.port)
                if asked is None:
                    raise ConnectionError("The key is on a node that is not known yet.")
                node = asked
            else:
                await client.nodes_manager.move_slot(answer)
                node = _holder(client, key)

    async def send_each(
        self, commands: Sequence[tuple[bytes, Command]], deadline: float
    ) -> list[Any]:
        """Send each command to the node that holds its key, as long as there is time."""
        client = await self._connected(deadline)
        shares: dict[ClusterNode, list[Command]] = {}
        for key, command in commands:
            shares.setdefault(_holder(client, key), []).append(command)
        replies: list[Any] = []
        for node, share in shares.items():
            if time.monotonic() + self._wait > deadline:
                raise TimeoutError("There is no time for all nodes.")
            replies += await aexchange(self._to(node), share)
        return replies

    async def recover(self, deadline: float) -> bool:
        """Draw the map anew, if that takes no longer than it may."""
        await self._map(deadline)
        return time.monotonic() + self._wait <= deadline

    async def aclose(self) -> None:
        """Close the connections."""
        if self._mapping is not None:
            self._mapping.cancel()
            await asyncio.wait([self._mapping])
        for client in self._nodes.values():
            await client.aclose()
        if self._client is not None:
            await self._client.aclose()

    async def _connected(self, deadline: float) -> RedisCluster:
        if self._client is None:
            await self._map(deadline)
        if self._client is None:
            raise ConnectionError("No node has shown the map of the cluster") from self._failure
        return self._client

    async def _map(self, deadline: float) -> None:
        # All tasks wait for the same one: many nodes may be dead, and each takes its time.
        if self._mapping is None or self._mapping.done():
            self._mapping = asyncio.create_task(self._draw())
        await asyncio.wait(
            [self._mapping],
            timeout=max(0, min(self._wait, deadline - self._wait - time.monotonic())),
        )

    async def _draw(self) -> None:
        try:
            if self._client is None:
                self._client = await self._connect()
            else:
                await self._client.nodes_manager.initialize()
        except Exception as error:
            self._failure = error

    def _to(self, node: ClusterNode) -> Redis:
        # redis-py's own node fails a command when it has no connection left. In a pool that
        # blocks, it waits for one.
        client = self._nodes.get(node.name)
        if client is None:
            kwargs = {**node.connection_kwargs, "connection_class": node.connection_class}
            pool = BlockingConnectionPool(timeout=self._wait, **kwargs)
            client = self._nodes[node.name] = Redis.from_pool(pool)
        return client


def _holder(client: RedisCluster, key: bytes) -> ClusterNode:
    # Of two names for it, the one that takes bytes, and is not None.
    return client.nodes_manager.get_node_from_slot(client.keyslot(key))
