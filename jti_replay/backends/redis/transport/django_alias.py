"""What an alias of ``settings.CACHES`` says that Django's own backend serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis
from django.utils.module_loading import import_string

from .alias import NOT_FOR_CONNECTIONS, without


class DjangoAlias:
    """An alias that Django's own backend serves."""

    sentinels: list[tuple[str, int]] = []  # noqa: RUF012  # It never has any.
    sentinel_arguments: Mapping[str, Any] = {}

    def __init__(self, params: Mapping[str, Any]) -> None:
        location = params.get("LOCATION", "")
        self.urls = (
            location.replace(";", ",").split(",") if isinstance(location, str) else [*location]
        )
        self._arguments = {**params.get("OPTIONS", {})}
        self._arguments.pop("serializer", None)
        pool_class = self._arguments.pop("pool_class", None) or redis.ConnectionPool
        if isinstance(pool_class, str):
            pool_class = import_string(pool_class)
        self._pool_class: type[redis.ConnectionPool] = pool_class
        if isinstance(self._arguments.get("parser_class"), str):
            self._arguments["parser_class"] = import_string(self._arguments["parser_class"])
        self.blocks = issubclass(pool_class, redis.BlockingConnectionPool)
        self.is_asyncio_ready = pool_class.__module__.startswith("redis.")

    def arguments(self) -> dict[str, Any]:
        """Return what redis-py is told to connect to the Redis."""
        return without(self._arguments, NOT_FOR_CONNECTIONS)

    def client_arguments(self) -> dict[str, Any]:
        """Return nothing: Django passes all it has to the connections."""
        return {}

    def client(
        self, defaults: Mapping[str, Any], ours: Mapping[str, Any], sentinels: Mapping[str, Any]
    ) -> redis.Redis:
        """Return a client for threads, with connections of its own."""
        arguments = {**defaults, **self._arguments, **ours}
        return redis.Redis(connection_pool=self._pool_class.from_url(self.urls[0], **arguments))
