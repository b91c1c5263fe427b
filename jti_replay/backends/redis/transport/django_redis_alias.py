"""What an alias of ``settings.CACHES`` says that django-redis serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import redis
from django_redis.pool import (
    ConnectionFactory,
    SentinelConnectionFactory,
    get_connection_factory,
)

from .alias import NOT_FOR_CONNECTIONS, without


class DjangoRedisAlias:
    """
    An alias that django-redis serves.

    Its connections are not shared: django-redis keys its pools by URL alone, so that the
    first alias with an URL decides on time limits and retries for all.
    """

    def __init__(self, backend: Callable[..., Any], params: Mapping[str, Any]) -> None:
        self._backend = backend
        self._params = params
        self._options: dict[str, Any] = {**params.get("OPTIONS", {})}
        self._factory: Any = get_connection_factory(options={**self._options})
        self.blocks = issubclass(self._factory.pool_cls, redis.BlockingConnectionPool)
        self.is_asyncio_ready = _is_asyncio_ready(self._factory)
        self.sentinels: list[tuple[str, int]] = []
        if isinstance(self._factory, SentinelConnectionFactory):
            self.sentinels = [*self._options["SENTINELS"]]
        self.sentinel_arguments: Mapping[str, Any] = self._options.get("SENTINEL_KWARGS") or {}
        location = params["LOCATION"]
        self.urls = location.split(",") if isinstance(location, str) else [*location]

    def arguments(self) -> dict[str, Any]:
        """Return what redis-py is told to connect to the Redis."""
        told = {
            **self._factory.make_connection_params(self.urls[0]),
            **self._factory.pool_cls_kwargs,
        }
        return without(told, NOT_FOR_CONNECTIONS)

    def client_arguments(self) -> dict[str, Any]:
        """Return what redis-py is told for a client of a cluster, beside the arguments."""
        return {**self._factory.redis_client_cls_kwargs}

    def client(
        self, defaults: Mapping[str, Any], ours: Mapping[str, Any], sentinels: Mapping[str, Any]
    ) -> redis.Redis:
        """Return a client for threads, with connections of its own."""
        pool_arguments = {**self._options.get("CONNECTION_POOL_KWARGS", {}), **ours}
        if "CONNECTION_POOL_CLASS" not in self._options:
            pool_arguments = {**defaults, **pool_arguments}
        options = {
            **self._options,
            "SENTINEL_KWARGS": {**self.sentinel_arguments, **sentinels},
            "CONNECTION_POOL_KWARGS": pool_arguments,
        }
        params = {**self._params, "OPTIONS": options}
        del params["BACKEND"]
        client = self._backend(params.pop("LOCATION"), params).client
        client.connection_factory._pools = {}  # Not those that all aliases share.
        return cast("redis.Redis", client.get_client(write=True))


def _is_asyncio_ready(factory: Any) -> bool:
    if type(factory) is SentinelConnectionFactory:
        pool = factory.pool_cls.__module__ == "redis.sentinel"
    else:
        pool = type(factory) is ConnectionFactory
    return pool and issubclass(factory.redis_client_cls, redis.Redis)
