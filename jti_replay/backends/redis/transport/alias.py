"""What the backend of an alias of ``settings.CACHES`` is asked of the Redis behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from redis import Redis

NOT_FOR_CONNECTIONS = ("url", "parser_class", "connection_class", "queue_class", "cache_config")
"""Arguments of pools of threads that mean something else, or nothing, to other clients."""


class Alias(Protocol):
    """Where a Redis is, and what redis-py has to be told to connect to it."""

    urls: list[str]
    """The addresses. All but a cluster use the first."""

    blocks: bool
    """Whether threads wait for a connection if all of the pool are in use."""

    is_asyncio_ready: bool
    """Whether clients for event loops can be made: not from classes of a project's own."""

    sentinels: list[tuple[str, int]]
    """The addresses of the Sentinels that know the primary, if there are any."""

    sentinel_arguments: Mapping[str, Any]
    """What redis-py is told to connect to a Sentinel."""

    def arguments(self) -> dict[str, Any]:
        """Return what redis-py is told to connect to the Redis."""

    def client_arguments(self) -> dict[str, Any]:
        """Return what redis-py is told for a client of a cluster, beside the arguments."""

    def client(
        self, defaults: Mapping[str, Any], ours: Mapping[str, Any], sentinels: Mapping[str, Any]
    ) -> Redis:
        """
        Return a client for threads, with connections of its own. ``defaults`` are for what
        the alias leaves open, ``ours`` have the last word, ``sentinels`` those on Sentinels.
        """


def without(arguments: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return arguments without some of them."""
    return {name: value for name, value in arguments.items() if name not in names}
