"""A replay cache in Redis or Valkey, shared by all hosts of a site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar

from asgiref.sync import sync_to_async
from django.core.checks import CheckMessage

from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.findings import Finding
from jti_replay.backends.handover import Entry, add_in_thread
from jti_replay.reservation.key import JTIKey
from jti_replay.steps import Steps, arun, run

from .checks import check_redis
from .diagnosis import examine_redis
from .entries import Entries
from .options import RedisOptions
from .scripts import MARK, READ_MARK
from .transport.clients import RedisClients
from .transport.connector import Connector

T = TypeVar("T")


class RedisCache(BaseReplayCache):
    """
    Keeps jtis in the Redis that ``LOCATION``, an alias of ``settings.CACHES``, names through
    django-redis or Django's own backend. It needs Redis 6.2 or later, or Valkey.

    Each entry is one small key, which Redis lets expire by itself. The server must run with
    ``maxmemory-policy noeviction``, or it may forget live jtis.

    :class:`~jti_replay.backends.redis.options.RedisOptions` lists its OPTIONS.
    """

    known_options: ClassVar[frozenset[str]] = RedisOptions.names()

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.location = self.location or "default"
        self.redis_options = RedisOptions.of(self.options)
        self.connector = Connector(self.location, self.redis_options)
        self._clients = RedisClients(self.connector)
        self._entries = Entries(self.redis_options, self.connector, self._clients)

    def add(self, key: JTIKey, deadline: float) -> Entry | None:
        """Set the key unless it is there, in one round trip."""
        return run(self._entries.reserve(key.digest, deadline))

    async def aadd(self, key: JTIKey, deadline: float) -> Entry | None:
        """Async version of :meth:`add`."""
        return await self._aadd(key, self._entries.reserve(key.digest, deadline))

    def remove(self, key: JTIKey, owner: Any) -> bool:
        """Delete the key if the owner holds it, in one round trip."""
        return run(self._entries.release(key.digest, owner))

    async def aremove(self, key: JTIKey, owner: Any) -> bool:
        """Async version of :meth:`remove`."""
        return await self._arun(self._entries.release(key.digest, owner))

    def complete_since(self) -> float | None:
        """Return the latest moment that a marker holds, None if one is missing."""
        return run(self._entries.read_markers(READ_MARK))

    async def acomplete_since(self) -> float | None:
        """Async version of :meth:`complete_since`."""
        return await self._arun(self._entries.read_markers(READ_MARK))

    def start_memory(self) -> float | None:
        """Return the latest moment that a marker holds. Missing ones are written."""
        return run(self._entries.read_markers(MARK))

    async def astart_memory(self) -> float | None:
        """Async version of :meth:`start_memory`."""
        return await self._arun(self._entries.read_markers(MARK))

    def add_if_warm(self, key: JTIKey, deadline: float, usable_since: float) -> Entry | None:
        """Set the key unless it is there or may have been lost, in one round trip."""
        return run(self._entries.reserve(key.digest, deadline, usable_since))

    async def aadd_if_warm(
        self, key: JTIKey, deadline: float, usable_since: float
    ) -> Entry | None:
        """Async version of :meth:`add_if_warm`."""
        return await self._aadd(key, self._entries.reserve(key.digest, deadline, usable_since))

    def diagnose(self) -> Iterator[Finding]:
        """Return what the store would survive."""
        servers = self._clients.servers(self._entries.new_call())
        return examine_redis(
            servers,
            location=self.location,
            wait=self.connector.wait,
            timeout=self.redis_options.timeout,
            keys=self._entries.keys,
            refuses_cold_start=self.refuses_cold_start,
        )

    def close(self) -> None:
        """Let the connections of all threads go. Those of an event loop go with it."""
        self._entries.lost_replies.forget()
        self._clients.close()

    async def aclose(self) -> None:
        """Let the connections of the running event loop go."""
        await self._clients.aclose()

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Refuse options that cannot work, and a location that leads to no Redis."""
        return check_redis(
            self.alias,
            self.location,
            self.redis_options,
            self.connector,
            # A request passes nothing here: it finds out by itself, and must not wait for it.
            tries_client=bool(kwargs),
        )

    async def _aadd(self, key: JTIKey, steps: Steps[Entry | None]) -> Entry | None:
        if self.connector.is_asyncio_ready:
            return await arun(steps)
        return await add_in_thread(
            partial(run, steps), partial(self.remove, key), thread_sensitive=False
        )

    async def _arun(self, steps: Steps[T]) -> T:
        if self.connector.is_asyncio_ready:
            return await arun(steps)
        return await sync_to_async(run, thread_sensitive=False)(steps)
