"""Clients of the Redis that a ``settings.CACHES`` alias names, with our own time limits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis.asyncio
import redis.asyncio.retry
from django.conf import settings
from django.utils.module_loading import import_string
from django_redis.pool import (
    ConnectionFactory,
    SentinelConnectionFactory,
    get_connection_factory,
)
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.cluster import RedisCluster
from redis.retry import Retry

from .limits import WITHOUT_TIMEOUT, limits, longest_wait

if TYPE_CHECKING:
    from django_redis.client import DefaultClient

ONE_PER_THREAD = {"max_connections": 2**31}
"""Room for as many threads as there may be. By default redis-py fails the 101st."""

OURS = ("socket_timeout", "socket_connect_timeout", "retry_on_timeout", "retry_on_error")
"""What an URL may say, and would have the last word on, that is ours to decide."""

FEW_PER_LOOP = {"max_connections": 50}
"""Tasks wait for one of them, if nothing else is asked for."""

THREADED = ("url", "parser_class", "connection_class", "queue_class")
"""Arguments that mean something else to the clients of event loops."""


class Connector:
    """
    Makes clients for a ``settings.CACHES`` alias that django-redis serves.

    They do not share connections with that alias. django-redis keys its pools by URL alone,
    so that the first alias with an URL decides on time limits and retries for all; and
    whether a command may be repeated is for the caller to decide, who knows its owner token.

    ``timeout`` is the longest wait, in seconds, for all that a call needs together.
    ``client_factory`` is the path of what makes the client of a cluster, if it is one.
    """

    def __init__(
        self, alias: str, timeout: float, *, client_factory: str | None, has_acks: bool
    ) -> None:
        self._alias = alias
        self._timeout = timeout
        self._client_factory = client_factory
        self._has_acks = has_acks

    @property
    def is_cluster(self) -> bool:
        """Whether there is a client factory, which means a cluster."""
        return self._client_factory is not None

    @cached_property
    def is_sentinel(self) -> bool:
        """Whether the URL names what Sentinel calls the primary."""
        return isinstance(self._connection_factory, SentinelConnectionFactory)

    @cached_property
    def is_asyncio_ready(self) -> bool:
        """Whether clients for event loops can be made: not from classes of a project's own."""
        if self._client_factory is not None:
            return self._client_factory.startswith("redis.")
        factory = self._connection_factory
        if type(factory) is SentinelConnectionFactory:
            pool = factory.pool_cls.__module__ == "redis.sentinel"
        else:
            pool = type(factory) is ConnectionFactory
        return pool and issubclass(factory.redis_client_cls, redis.Redis)

    @cached_property
    def wait(self) -> float:
        """The longest wait, in seconds, for one step of a call."""
        return longest_wait(
            self._timeout,
            is_several=self.is_cluster or self.is_sentinel,
            has_acks=self._has_acks,
            blocks=self._blocks,
        )

    @cached_property
    def time_for_attempts(self) -> float:
        """The part of the time limit, in seconds, that is not kept to take something back."""
        return self._timeout - self.wait if self._has_acks else self._timeout

    def server(self) -> redis.Redis:
        """Return a client of a server, or of the primary, for threads."""
        client = self._django_redis_client(ONE_PER_THREAD).get_client(write=True)
        # Said again, because an URL may hold limits too, and they would win.
        client.connection_pool.connection_kwargs.update(limits(self.wait, Retry))
        if self._blocks:
            client.connection_pool.timeout = self.wait
        return cast("redis.Redis", client)

    def async_pool(self) -> redis.asyncio.ConnectionPool:
        """Return connections to a server, or to the primary, for the running event loop."""
        client = self._django_redis_client({})
        url, ours = client._server[0], limits(self.wait, redis.asyncio.retry.Retry)
        kwargs = {**FEW_PER_LOOP, **self._connection_kwargs(client), **ours}
        pool: redis.asyncio.ConnectionPool
        if self.is_sentinel:
            pool = self._sentinel_pool(url, kwargs)
        else:
            pool = redis.asyncio.ConnectionPool.from_url(url, **kwargs)
        pool.connection_kwargs.update({**ours, **WITHOUT_TIMEOUT})
        pool.connection_kwargs.pop("timeout", None)  # For a pool of threads that blocks.
        return pool

    def cluster(self) -> RedisCluster:
        """Return a client of a cluster for threads, from the first URL that answers."""
        factory = load_factory(cast("str", self._client_factory))
        kwargs = {**ONE_PER_THREAD, **self._cluster_kwargs(), **limits(self.wait, Retry)}
        *others, last = self._urls()
        for url in others:
            try:
                return cast("RedisCluster", factory(url, **kwargs))
            except Exception:  # noqa: S112  # The next one may answer.
                continue
        return cast("RedisCluster", factory(last, **kwargs))

    async def async_cluster(self) -> AsyncRedisCluster:
        """Return a client of a cluster for the running event loop."""
        path = cast("str", self._client_factory)
        factory = load_factory(path.replace("redis.", "redis.asyncio.", 1))
        kwargs = {
            **FEW_PER_LOOP,
            **self._cluster_kwargs(),
            **limits(self.wait, redis.asyncio.retry.Retry),
        }
        *others, last = self._urls()
        for url in others:
            try:
                return cast("AsyncRedisCluster", await factory(url, **kwargs))
            except Exception:  # noqa: S112
                continue
        return cast("AsyncRedisCluster", await factory(last, **kwargs))

    @property
    def _options(self) -> dict[str, Any]:
        params: dict[str, Any] = {**settings.CACHES[self._alias]}
        options: dict[str, Any] = params.get("OPTIONS", {})
        return options

    @property
    def _blocks(self) -> bool:
        return issubclass(self._connection_factory.pool_cls, redis.BlockingConnectionPool)

    @cached_property
    def _connection_factory(self) -> Any:
        return get_connection_factory(options={**self._options})

    def _connection_kwargs(self, client: DefaultClient) -> dict[str, Any]:
        factory = cast("Any", client.connection_factory)
        kwargs = {
            **factory.make_connection_params(client._server[0]),
            **factory.pool_cls_kwargs,
        }
        return {name: value for name, value in kwargs.items() if name not in THREADED}

    def _cluster_kwargs(self) -> dict[str, Any]:
        client = self._client_of({})
        return {
            **self._connection_kwargs(client),
            **cast("Any", client.connection_factory).redis_client_cls_kwargs,
        }

    def _urls(self) -> list[str]:
        return [without_limits(url) for url in self._client_of({})._server]

    def _sentinel_pool(self, url: str, kwargs: dict[str, Any]) -> SentinelConnectionPool:
        options = self._options
        sentinel: Any = cast("Any", Sentinel)(
            options["SENTINELS"],
            sentinel_kwargs={
                **(options.get("SENTINEL_KWARGS") or {}),
                **self._sentinel_limits(redis.asyncio.retry.Retry),
            },
        )
        parsed: dict[str, Any] = {**parse_url(url)}
        is_ssl = issubclass(parsed.pop("connection_class", object), SSLConnection)
        parsed.pop("is_master", None)
        pool: SentinelConnectionPool = cast("Any", SentinelConnectionPool)(
            service_name=parsed.pop("host"),
            sentinel_manager=sentinel,
            connection_class=(
                SentinelManagedSSLConnection if is_ssl else SentinelManagedConnection
            ),
            **{**kwargs, **parsed},
        )
        return pool

    def _sentinel_limits(
        self, retry: type[Retry | redis.asyncio.retry.Retry]
    ) -> dict[str, Any]:
        # They are asked one after the other.
        sentinels = self._options.get("SENTINELS") or [None]
        return limits(self.wait / len(sentinels), retry)

    def _django_redis_client(self, pool_kwargs: dict[str, Any]) -> DefaultClient:
        options = self._options
        client = self._client_of(
            {
                "SENTINEL_KWARGS": {
                    **(options.get("SENTINEL_KWARGS") or {}),
                    **self._sentinel_limits(Retry),
                },
                "CONNECTION_POOL_KWARGS": {
                    **({} if "CONNECTION_POOL_CLASS" in options else pool_kwargs),
                    **options.get("CONNECTION_POOL_KWARGS", {}),
                    **limits(self.wait, Retry),
                },
            }
        )
        cast("Any", client.connection_factory)._pools = {}  # Not those that all aliases share.
        return client

    def _client_of(self, changes: dict[str, Any]) -> DefaultClient:
        params: dict[str, Any] = {**settings.CACHES[self._alias]}
        params["OPTIONS"] = {**self._options, **changes}
        backend = import_string(params.pop("BACKEND"))
        return cast("DefaultClient", backend(params.pop("LOCATION"), params).client)


def load_factory(path: str) -> Callable[..., Any]:
    """Return what a dotted path names: a function, or a method of a class."""
    try:
        return cast("Callable[..., Any]", import_string(path))
    except ImportError:
        owner, _, name = path.rpartition(".")
        return cast("Callable[..., Any]", getattr(import_string(owner), name))


def without_limits(url: str) -> str:
    """Return an URL without the time limits and retries that it may ask for."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in OURS]
    return urlunsplit(parts._replace(query=urlencode(query)))
