"""The stores that threads and event loops share, made when they are first asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import ClassVar, TypeAlias

from .async_cluster import AsyncCluster
from .async_connections import AsyncConnections
from .cluster import Cluster
from .connector import Connector
from .stores import AsyncServer, AsyncStore, Server, Store

LoopKey: TypeAlias = "tuple[asyncio.AbstractEventLoop, RedisClients]"
LoopStore: TypeAlias = tuple[AsyncStore, AsyncGenerator[None, None]]


class RedisClients:
    """One store for all threads, and one for each event loop: connections belong to a loop."""

    # Those of event loops are held here, so that they stay until their loop ends even if
    # other settings have replaced the cache by then.
    _loop_stores: ClassVar[dict[LoopKey, LoopStore]] = {}
    _loop_lock = threading.Lock()

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._lock = threading.Lock()
        self._store: Store | None = None

    def get(self) -> Store:
        """Return the store for threads."""
        if self._store is None:
            with self._lock:
                if self._store is None:
                    self._store = self._make()
        return self._store

    async def aget(self) -> AsyncStore:
        """Return the store of the running event loop."""
        loop = asyncio.get_running_loop()
        held = self._loop_stores.get((loop, self))
        if held is not None:
            return held[0]
        store = self._amake()
        closer = self._close_with_loop(loop, store)
        with self._loop_lock:  # Other threads run other loops.
            for key in [key for key in self._loop_stores if key[0].is_closed()]:
                del self._loop_stores[key]
            self._loop_stores[loop, self] = store, closer
        await anext(closer)
        return store

    def close(self) -> None:
        """Close the connections of the threads. Those of a loop go with it."""
        if self._store is not None:
            self._store.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        held = self._loop_stores.get((asyncio.get_running_loop(), self))
        if held is not None:
            await held[1].aclose()

    def _make(self) -> Store:
        connector = self._connector
        if connector.is_cluster:
            return Cluster(connector.cluster, connector.wait)
        return Server(connector.server())

    def _amake(self) -> AsyncStore:
        connector = self._connector
        if connector.is_cluster:
            return AsyncCluster(connector.async_cluster, connector.wait)
        # An exchange with the primary may begin with asking Sentinel for it.
        wait = connector.wait * (2 if connector.is_sentinel else 1)
        return AsyncServer(AsyncConnections(connector.async_pool(), wait))

    async def _close_with_loop(
        self, loop: asyncio.AbstractEventLoop, store: AsyncStore
    ) -> AsyncGenerator[None, None]:
        # asyncio ends the async generators of a loop when it shuts it down. That is the one
        # moment at which its connections can still be closed properly.
        try:
            yield
        finally:
            with self._loop_lock:
                self._loop_stores.pop((loop, self), None)
            await store.aclose()
