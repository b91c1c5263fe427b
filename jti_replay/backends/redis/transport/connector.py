"""Clients of the Redis that a ``settings.CACHES`` alias names, with our own time limits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis.asyncio
import redis.asyncio.retry
import redis.sentinel
from django.utils.module_loading import import_string
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

from jti_replay.backends.redis.options import RedisOptions

from .alias import Alias
from .aliases import alias_of
from .limits import limits, longest_wait

ONE_PER_THREAD = {"max_connections": 2**31}
"""Room for as many threads as there may be. By default redis-py fails the 101st."""

WITHOUT_CACHE = {"cache": None, "cache_config": None}
"""An answer must come from the server, not from a cache of the client's."""

OURS = ("socket_timeout", "socket_connect_timeout", "retry_on_timeout", "retry_on_error")
"""What an URL may say, and would have the last word on, that is ours to decide."""

FEW_PER_LOOP = {"max_connections": 50}
"""Tasks wait for one of them, if nothing else is asked for."""


class Connector:
    """
    Makes clients for a ``settings.CACHES`` alias.

    They do not share connections with that alias. Whether a command may be repeated is for
    the caller to decide, which knows its owner token.

    ``location`` is the alias.
    """

    def __init__(self, location: str, options: RedisOptions) -> None:
        self._location = location
        self._options = options

    @property
    def is_cluster(self) -> bool:
        """Whether there is a client factory, which means a cluster."""
        return self._options.is_cluster

    @cached_property
    def is_asyncio_ready(self) -> bool:
        """Whether clients for event loops can be made: not from classes of a project's own."""
        if self._options.client_factory is not None:
            return self._options.client_factory.startswith("redis.")
        return self._alias.is_asyncio_ready

    @property
    def blocks(self) -> bool:
        """Whether threads wait for a connection if all of the pool are in use."""
        return self._alias.blocks

    @cached_property
    def wait(self) -> float:
        """The longest wait, in seconds, for one step of a call."""
        return longest_wait(
            self._options.timeout,
            is_several=self.is_cluster or bool(self._alias.sentinels),
            has_acks=bool(self._options.replicas),
            blocks=self.blocks,
        )

    @cached_property
    def time_for_attempts(self) -> float:
        """The part of the time limit, in seconds, that is not kept to take something back."""
        timeout = self._options.timeout
        return timeout - self.wait if self._options.replicas else timeout

    def try_settings(self) -> None:
        """Make what needs no server. Raise what is wrong with the settings of the alias."""
        if self.is_cluster:
            for url in self._alias.urls:
                parse_url(url)
            self._cluster_arguments()
            return
        connections = self.server().connection_pool
        connections.connection_class(**connections.connection_kwargs)
        if self.is_asyncio_ready:
            pool = self.async_pool()
            pool.connection_class(**pool.connection_kwargs)

    def server(self) -> redis.Redis:
        """Return a client of a server, or of the primary, for threads."""
        ours = limits(self.wait, Retry)
        client = self._alias.client(
            ONE_PER_THREAD, {**ours, **WITHOUT_CACHE}, self._sentinel_limits(Retry)
        )
        pool = cast("Any", client.connection_pool)
        # Said again, because an URL may hold limits too, and they would win.
        pool.connection_kwargs.update(ours)
        if self.blocks:
            pool.timeout = self.wait
        if self._alias.sentinels and pool.connection_class is redis.SSLConnection:
            # redis-py takes the class from "rediss:" of the URL, which knows no Sentinel.
            pool.connection_class = redis.sentinel.SentinelManagedSSLConnection
        return client

    def async_pool(self) -> redis.asyncio.ConnectionPool:
        """Return connections to a server, or to the primary, for the running event loop."""
        url, ours = self._alias.urls[0], limits(self.wait, redis.asyncio.retry.Retry)
        arguments = {**FEW_PER_LOOP, **self._alias.arguments(), **ours}
        arguments.pop("timeout", None)  # For a pool of threads that blocks.
        pool: redis.asyncio.ConnectionPool
        if self._alias.sentinels:
            pool = self._sentinel_pool(url, arguments)
        else:
            pool = redis.asyncio.ConnectionPool.from_url(url, **arguments)
        pool.connection_kwargs.update(ours)
        return pool

    def cluster(self) -> RedisCluster:
        """Return a client of a cluster for threads, from the first URL that answers."""
        factory = load_factory(cast("str", self._options.client_factory))
        arguments = {**ONE_PER_THREAD, **self._cluster_arguments(), **limits(self.wait, Retry)}
        *others, last = self._urls()
        for url in others:
            try:
                return cast("RedisCluster", factory(url, **arguments))
            except Exception:  # noqa: S112  # The next one may answer.
                continue
        return cast("RedisCluster", factory(last, **arguments))

    async def async_cluster(self) -> AsyncRedisCluster:
        """Async version of :meth:`cluster`, for the running event loop."""
        path = cast("str", self._options.client_factory)
        factory = load_factory(path.replace("redis.", "redis.asyncio.", 1))
        arguments = {
            **FEW_PER_LOOP,
            **self._cluster_arguments(),
            **limits(self.wait, redis.asyncio.retry.Retry),
        }
        *others, last = self._urls()
        for url in others:
            try:
                return cast("AsyncRedisCluster", await factory(url, **arguments))
            except Exception:  # noqa: S112
                continue
        return cast("AsyncRedisCluster", await factory(last, **arguments))

    @cached_property
    def _alias(self) -> Alias:
        return alias_of(self._location)

    def _cluster_arguments(self) -> dict[str, Any]:
        return {**self._alias.arguments(), **self._alias.client_arguments()}

    def _urls(self) -> list[str]:
        return [without_limits(url) for url in self._alias.urls]

    def _sentinel_pool(self, url: str, arguments: dict[str, Any]) -> SentinelConnectionPool:
        ours = self._sentinel_limits(redis.asyncio.retry.Retry)
        sentinel: Any = cast("Any", Sentinel)(
            self._alias.sentinels, sentinel_kwargs={**self._alias.sentinel_arguments, **ours}
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
            **{**arguments, **parsed},
        )
        return pool

    def _sentinel_limits(
        self, retry: type[Retry | redis.asyncio.retry.Retry]
    ) -> dict[str, Any]:
        # They are asked one after the other.
        return limits(self.wait / max(1, len(self._alias.sentinels)), retry)


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
