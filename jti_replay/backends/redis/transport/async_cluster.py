"""A Redis Cluster for one event loop. :mod:`.cluster` is for threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,
    MovedError,
)

from jti_replay.backends.redis.scripts import Command

from .call import Call
from .loop_connections import LoopConnections


class AsyncCluster:
    """
    A cluster. ``connect`` makes the client that keeps its map; ``wait`` is the longest time,
    in seconds, for which a node is waited for. The map gets what is left of a call's time.
    """

    def __init__(self, connect: Callable[[], Awaitable[RedisCluster]], wait: float) -> None:
        self._connect = connect
        self._wait = wait
        self._client: RedisCluster | None = None
        self._failure: Exception | None = None
        self._mapping: asyncio.Task[None] | None = None
        self._nodes: dict[str, LoopConnections] = {}

    async def send(self, key: bytes, commands: Sequence[Command], call: Call) -> list[Any]:
        """Send commands to the node that holds a key, and on to where it says the key is."""
        client = await self._connected(call)
        node, asking = _holder(client, key), False
        while True:
            sent = [("ASKING",), *commands] if asking else commands
            replies = (await self._to(node).exchange(sent, call))[-len(commands) :]
            answer = replies[0]
            if isinstance(answer, ClusterDownError):  # Or this node has lost touch with it.
                raise answer
            if not isinstance(answer, AskError):
                return replies
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
        self, commands: Sequence[tuple[bytes, Command]], call: Call
    ) -> list[Any]:
        """Send each command to the node that holds its key, as long as there is time."""
        client = await self._connected(call)
        shares: dict[ClusterNode, list[Command]] = {}
        for key, command in commands:
            shares.setdefault(_holder(client, key), []).append(command)
        replies: list[Any] = []
        for node, share in shares.items():
            replies += await self._to(node).exchange(share, call)
        return replies

    async def recover(self, call: Call) -> bool:
        """Async version of :meth:`.cluster.Cluster.recover`."""
        call.use_new_connections()
        await self._map(call)
        return time.monotonic() + self._wait <= call.deadline

    async def aclose(self) -> None:
        """Close the connections."""
        if self._mapping is not None:
            self._mapping.cancel()
            await asyncio.wait([self._mapping])
        for connections in self._nodes.values():
            await connections.aclose()
        if self._client is not None:
            await self._client.aclose()

    async def _connected(self, call: Call) -> RedisCluster:
        if self._client is None:
            await self._map(call)
        if self._client is None:
            raise ConnectionError("No node has shown the map of the cluster") from self._failure
        return self._client

    async def _map(self, call: Call) -> None:
        # All tasks wait for the same one: many nodes may be dead, and each takes its time.
        if self._mapping is None or self._mapping.done():
            self._mapping = asyncio.create_task(self._draw())
        await asyncio.wait(
            [self._mapping],
            timeout=max(0, call.deadline - self._wait - time.monotonic()),
        )

    async def _draw(self) -> None:
        try:
            if self._client is None:
                self._client = await self._connect()
            else:
                await self._client.nodes_manager.initialize()
        except Exception as error:
            self._failure = error

    def _to(self, node: ClusterNode) -> LoopConnections:
        # redis-py's own node fails a command when it has no connection left.
        connections = self._nodes.get(node.name)
        if connections is None:
            pool = ConnectionPool(
                connection_class=node.connection_class,
                max_connections=node.max_connections,
                **node.connection_kwargs,
            )
            connections = self._nodes[node.name] = LoopConnections(pool, self._wait)
        return connections


def _holder(client: RedisCluster, key: bytes) -> ClusterNode:
    # Of two names for it, the one that takes bytes, and is not None.
    return client.nodes_manager.get_node_from_slot(client.keyslot(key))
