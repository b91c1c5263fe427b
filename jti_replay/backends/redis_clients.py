"""Connections to the Redis that a ``settings.CACHES`` alias names, with our own time limits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

import redis.asyncio
import redis.asyncio.retry
from django.conf import settings
from django.utils.module_loading import import_string
from django_redis.pool import ConnectionFactory
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from django_redis.client import DefaultClient

    LoopKey: TypeAlias = tuple[asyncio.AbstractEventLoop, "RedisClients"]
    LoopClient: TypeAlias = tuple[redis.asyncio.Redis, AsyncGenerator[None, None]]


ONE_PER_THREAD = {"max_connections": 2**31}
"""Room for as many threads as there may be. By default redis-py fails the 101st."""


class RedisClients:
    """
    The clients of one ``settings.CACHES`` alias that django-redis serves: one for all
    threads, and one for each event loop, because a connection belongs to its loop.

    They do not share connections with that alias. django-redis keys its pools by URL alone,
    so that the first alias with an URL decides on time limits and retries for all; and
    whether a command may be repeated is for the caller to decide, who knows its owner token.

    ``timeout`` is the longest wait, in seconds, for all ``attempts`` at a command together.
    """

    # Those of event loops are held here, so that they stay until their loop ends even if
    # other settings have replaced the cache by then.
    _loop_clients: ClassVar[dict[LoopKey, LoopClient]] = {}
    _loop_lock = threading.Lock()

    def __init__(self, alias: str, timeout: float, attempts: int) -> None:
        self._alias = alias
        self._timeout = timeout
        self._attempts = attempts
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None

    def get(self) -> redis.Redis:
        """Return the client for threads."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    client = self._django_redis_client(ONE_PER_THREAD).get_client(write=True)
                    # Said again, because an URL may hold limits too, and they would win.
                    client.connection_pool.connection_kwargs.update(self._limits(Retry))
                    self._client = client
        return self._client

    @cached_property
    def is_asyncio_ready(self) -> bool:
        """Whether a client for event loops can be made: not with Sentinel, or a cluster."""
        factory: Any = self._django_redis_client({}).connection_factory
        is_plain = type(factory) is ConnectionFactory
        return is_plain and issubclass(factory.redis_client_cls, redis.Redis)

    async def aget(self) -> redis.asyncio.Redis:
        """Return the client of the running event loop."""
        loop = asyncio.get_running_loop()
        held = self._loop_clients.get((loop, self))
        if held is not None:
            return held[0]
        client = self._asyncio_client()
        closer = self._close_with_loop(loop, client)
        with self._loop_lock:  # Other threads run other loops.
            for key in [key for key in self._loop_clients if key[0].is_closed()]:
                del self._loop_clients[key]
            self._loop_clients[loop, self] = client, closer
        await anext(closer)
        return client

    def close(self) -> None:
        """Close the connections of the threads. Those of a loop go with it."""
        if self._client is not None:
            self._client.connection_pool.disconnect()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        held = self._loop_clients.get((asyncio.get_running_loop(), self))
        if held is not None:
            await held[1].aclose()

    async def _close_with_loop(
        self, loop: asyncio.AbstractEventLoop, client: redis.asyncio.Redis
    ) -> AsyncGenerator[None, None]:
        # asyncio ends the async generators of a loop when it shuts it down. That is the one
        # moment at which its connections can still be closed properly.
        try:
            yield
        finally:
            with self._loop_lock:
                self._loop_clients.pop((loop, self), None)
            await client.aclose()

    def _django_redis_client(self, pool_kwargs: dict[str, Any]) -> DefaultClient:
        params: dict[str, Any] = {**settings.CACHES[self._alias]}
        options = params.get("OPTIONS", {})
        params["OPTIONS"] = {
            **options,
            "SENTINEL_KWARGS": {
                **(options.get("SENTINEL_KWARGS") or {}),
                **self._limits(Retry),
            },
            "CONNECTION_POOL_KWARGS": {
                **({} if "CONNECTION_POOL_CLASS" in options else pool_kwargs),
                **options.get("CONNECTION_POOL_KWARGS", {}),
                **self._limits(Retry),
            },
        }
        backend = import_string(params.pop("BACKEND"))
        client: DefaultClient = backend(params.pop("LOCATION"), params).client
        client.connection_factory._pools = {}  # Not those that all aliases share.
        return client

    def _asyncio_client(self) -> redis.asyncio.Redis:
        client = self._django_redis_client({})
        factory = cast("Any", client.connection_factory)
        url = client._server[0]
        kwargs = {
            **factory.make_connection_params(url),
            **factory.pool_cls_kwargs,
            **self._limits(redis.asyncio.retry.Retry),
        }
        for threaded in ("url", "parser_class", "connection_class", "queue_class"):
            kwargs.pop(threaded, None)
        # Many tasks may want a connection at once: they wait for one instead of failing.
        pool = redis.asyncio.BlockingConnectionPool.from_url(url, **kwargs)
        pool.timeout = self._timeout / self._attempts
        pool.connection_kwargs.update(self._limits(redis.asyncio.retry.Retry))
        return redis.asyncio.Redis.from_pool(pool)

    def _limits(self, retry: type[Retry | redis.asyncio.retry.Retry]) -> dict[str, Any]:
        # A server that is dead or paused fails the first thing that an attempt waits for.
        return {
            "socket_timeout": self._timeout / self._attempts,
            "socket_connect_timeout": self._timeout / self._attempts,
            "retry": retry(NoBackoff(), 0),
        }
