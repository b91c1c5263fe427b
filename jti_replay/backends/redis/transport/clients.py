"""The stores that threads and event loops share, made when they are first asked for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from typing import Any, TypeAlias

from redis import Redis

from jti_replay.backends.redis.scripts import Command
from jti_replay.conf.forks import new_lock

from .async_cluster import AsyncCluster
from .call import Call
from .cluster import Cluster
from .connector import Connector
from .loop_connections import LoopConnections
from .stores import AsyncServer, AsyncStore, Server, Store

LoopStore: TypeAlias = tuple[AsyncStore, AsyncGenerator[None, None]]

HELD_BY_LOOP = "_jti_replay_redis_stores"
"""
The attribute of an event loop that holds its stores. So they live exactly as long as it does:
longer than a cache that other settings replace, and no longer than a loop that is dropped.
"""


class RedisClients:
    """One store for all threads, and one for each event loop: connections belong to a loop."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._lock = new_lock()
        self._store: Store | None = None
        self._pid = 0
        self._is_tried = False

    # What is asked of a store, for threads and for event loops.

    def send(self, key: bytes, commands: Sequence[Command], call: Call) -> list[Any]:
        """Send commands in one go to the server that holds a key. Return their replies."""
        return self._get().send(key, commands, call)

    async def asend(self, key: bytes, commands: Sequence[Command], call: Call) -> list[Any]:
        """Async version of :meth:`send`."""
        return await (await self._aget()).send(key, commands, call)

    def send_each(self, commands: Sequence[tuple[bytes, Command]], call: Call) -> list[Any]:
        """Send each command to the server that holds its key. Return replies in any order."""
        return self._get().send_each(commands, call)

    async def asend_each(
        self, commands: Sequence[tuple[bytes, Command]], call: Call
    ) -> list[Any]:
        """Async version of :meth:`send_each`."""
        return await (await self._aget()).send_each(commands, call)

    def recover(self, call: Call) -> bool:
        """Prepare for a second attempt. Return whether there is time for it."""
        return self._get().recover(call)

    async def arecover(self, call: Call) -> bool:
        """Async version of :meth:`recover`."""
        return await (await self._aget()).recover(call)

    def servers(self, call: Call) -> list[tuple[str, Redis]]:
        """Return clients of the servers that hold keys, with their names if there are many."""
        return self._get().servers(call)

    def close(self) -> None:
        """Close the connections of the threads. Those of a loop go with it."""
        if self._store is not None and self._pid == os.getpid():
            self._store.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        held = _stores(asyncio.get_running_loop()).get(self)
        if held is not None:
            await held[1].aclose()

    def _get(self) -> Store:
        # A forked child leaves the connections to its parent, and their locks.
        with self._lock:
            if self._store is None or self._pid != os.getpid():
                self._store, self._pid = self._make(), os.getpid()
            return self._store

    async def _aget(self) -> AsyncStore:
        stores = _stores(asyncio.get_running_loop())
        held = stores.get(self)
        if held is not None:
            return held[0]
        store = self._amake()
        closer = self._close_with_loop(stores, store)
        stores[self] = store, closer
        await anext(closer)
        return store

    def _make(self) -> Store:
        connector = self._connector
        if connector.is_cluster:
            return Cluster(connector.cluster, connector.wait)
        wait_to_share = connector.wait if connector.blocks else 0
        return Server(connector.server(), connector.wait, wait_to_share)

    def _amake(self) -> AsyncStore:
        connector = self._connector
        if not self._is_tried:
            # A class that fails in threads, and that no client of a loop is made of, may ask
            # for what only it would do.
            connector.try_settings()
            self._is_tried = True
        if connector.is_cluster:
            return AsyncCluster(connector.async_cluster, connector.wait)
        return AsyncServer(LoopConnections(connector.async_pool(), connector.wait))

    async def _close_with_loop(
        self, stores: dict[RedisClients, LoopStore], store: AsyncStore
    ) -> AsyncGenerator[None, None]:
        # asyncio ends the async generators of a loop when it shuts it down. That is the one
        # moment at which its connections can still be closed properly.
        try:
            yield
        finally:
            stores.pop(self, None)
            await store.aclose()


def _stores(loop: asyncio.AbstractEventLoop) -> dict[RedisClients, LoopStore]:
    try:
        stores: dict[RedisClients, LoopStore] = getattr(loop, HELD_BY_LOOP)
    except AttributeError:
        stores = {}
        setattr(loop, HELD_BY_LOOP, stores)
    return stores
