"""A replay cache in Redis or Valkey, shared by all hosts of a site."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from asgiref.sync import sync_to_async
from django.core import checks
from redis import Redis

from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.findings import Finding
from jti_replay.backends.redis.diagnosis import examine_redis
from jti_replay.backends.redis.transport.clients import RedisClients
from jti_replay.backends.redis.transport.connector import Connector
from jti_replay.exceptions import ColdStart
from jti_replay.reservation.key import JTIKey

from .calls import aattempt, arun, arun_each, attempt, run, run_each
from .checks import check_redis
from .keys import ClusterKeys, Keys
from .lost_replies import Orphans, was_refused
from .replicas import shortage, wait_command
from .scripts import (
    MARK,
    READ_MARK,
    RELEASE,
    RELEASE_ANY,
    RESERVE,
    RESERVE_VOUCHED,
    RESERVED,
    Command,
    Script,
)

T = TypeVar("T")

DEFAULT_PREFIX = "jti:"
DEFAULT_TIMEOUT = 0.8
DEFAULT_REPLICA_TIMEOUT = 0.1
OWNER_SIZE = 12


class RedisCache(BaseReplayCache):
    """
    Keeps jtis in the Redis that ``LOCATION``, an alias of ``settings.CACHES``, names
    through django-redis. It needs Redis 6.2 or later, or Valkey.

    Each entry is one small key, which Redis lets expire by itself. The server must run with
    ``maxmemory-policy noeviction``, or it may forget live jtis.

    OPTIONS:

    - ``prefix`` (str): what the keys begin with, ``"jti:"`` by default. Sites that share a
      server need one each.
    - ``timeout`` (seconds): how long a dead server is waited for in all, 0.8 by default.
    - ``client_factory`` (str): for a Redis Cluster, the path of a function that makes the
      :class:`redis.cluster.RedisCluster` of an URL, such as
      ``"redis.cluster.RedisCluster.from_url"``.
    - ``replicas`` (int): how many replicas must have a reservation for it to count, none by
      default.
    - ``replica_timeout`` (seconds): how long they are waited for, 0.1 by default.
    """

    known_options: ClassVar[frozenset[str]] = frozenset(
        {"prefix", "timeout", "client_factory", "replicas", "replica_timeout"}
    )

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.location = self.location or "default"
        self.prefix: str = self.options.get("prefix", DEFAULT_PREFIX)
        self.timeout: float = self.options.get("timeout", DEFAULT_TIMEOUT)
        self.client_factory: str | None = self.options.get("client_factory")
        self.replicas: int = self.options.get("replicas", 0)
        self.replica_timeout: float = self.options.get(
            "replica_timeout", DEFAULT_REPLICA_TIMEOUT
        )
        self.connector = Connector(
            self.location,
            self.timeout,
            client_factory=self.client_factory,
            has_acks=bool(self.replicas),
        )
        self._clients = RedisClients(self.connector)
        self._orphans = Orphans(self._clients, self.timeout)

    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        """Set the key unless it is there, in one round trip."""
        return self._add(RESERVE, [self.keys.entry(key.digest)], deadline)

    async def aadd(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        """Do what :meth:`add` does, on the event loop."""
        return await self._aadd(RESERVE, [self.keys.entry(key.digest)], deadline)

    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        """Delete the key if the owner holds it, in one round trip."""
        script, owners = (RELEASE_ANY, []) if owner is None else (RELEASE, [owner])
        name = self.keys.entry(key.digest)
        return bool(run(self._clients.get(), script, [name], owners, self._deadline())[0])

    async def aremove(self, key: JTIKey, owner: Hashable | None) -> bool:
        """Do what :meth:`remove` does, on the event loop."""
        if not self.connector.is_asyncio_ready:
            return await _in_thread(self.remove, key, owner)
        script, owners = (RELEASE_ANY, []) if owner is None else (RELEASE, [owner])
        store, name = await self._clients.aget(), self.keys.entry(key.digest)
        return bool((await arun(store, script, [name], owners, self._deadline()))[0])

    def complete_since(self) -> float | None:
        """Return the latest moment that a marker holds, None if one is missing."""
        return self._read_markers(READ_MARK)

    async def acomplete_since(self) -> float | None:
        """Async version of :meth:`complete_since`."""
        return await self._aread_markers(READ_MARK)

    def start_memory(self) -> float | None:
        """Return the latest moment that a marker holds. Missing ones are written."""
        return self._read_markers(MARK)

    async def astart_memory(self) -> float | None:
        """Async version of :meth:`start_memory`."""
        return await self._aread_markers(MARK)

    def _read_markers(self, script: Script) -> float | None:
        keys = self.keys.markers()
        return _latest(run_each(self._clients.get(), script, keys, self._deadline()))

    async def _aread_markers(self, script: Script) -> float | None:
        if not self.connector.is_asyncio_ready:
            return await _in_thread(self._read_markers, script)
        store, keys = await self._clients.aget(), self.keys.markers()
        return _latest(await arun_each(store, script, keys, self._deadline()))

    def add_if_warm(
        self, key: JTIKey, deadline: float, usable_since: float
    ) -> tuple[Hashable, float] | None:
        """Set the key unless it is there or may have been lost, in one round trip."""
        keys = [self.keys.entry(key.digest), self.keys.marker(key.digest)]
        return self._add(RESERVE_VOUCHED, keys, deadline, usable_since)

    async def aadd_if_warm(
        self, key: JTIKey, deadline: float, usable_since: float
    ) -> tuple[Hashable, float] | None:
        """Do what :meth:`add_if_warm` does, on the event loop."""
        keys = [self.keys.entry(key.digest), self.keys.marker(key.digest)]
        return await self._aadd(RESERVE_VOUCHED, keys, deadline, usable_since)

    def servers(self) -> list[tuple[str, Redis]]:
        """Return clients of the servers that hold keys, with their names if there are many."""
        return self._clients.get().servers(self._deadline())

    def diagnose(self) -> Iterator[Finding]:
        """Say what the store would survive."""
        return examine_redis(self)

    def close(self) -> None:
        """Let the connections of all threads go. Those of an event loop go with it."""
        self._orphans.forget()
        self._clients.close()

    async def aclose(self) -> None:
        """Let the connections of the running event loop go."""
        await self._clients.aclose()

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Refuse options that cannot work, and a location that django-redis does not serve."""
        return check_redis(self)

    def _add(
        self,
        script: Script,
        keys: list[bytes],
        until: float,
        usable_since: float | None = None,
    ) -> tuple[Hashable, float] | None:
        owner, deadline, store = os.urandom(OWNER_SIZE), self._deadline(), self._clients.get()
        expiry, milliseconds = _lifetime(until)
        arguments: list[Any] = [owner, milliseconds]
        if usable_since is not None:
            arguments.append(round(usable_since * 1000))
        try:
            answer, *acks = run(store, script, keys, arguments, deadline, self._along)
        except BaseException as error:
            self._take_back_later(keys[0], owner, expiry, error)
            raise
        if answer == RESERVED:
            if missing := shortage(acks, self.replicas):
                try:
                    last = time.monotonic() + self.connector.wait
                    attempt(store, RELEASE, keys[:1], [owner], last)
                except Exception as error:
                    self._take_back_later(keys[0], owner, expiry, error)
                raise missing
            return owner, expiry
        if answer < 0 and self.client_factory:
            # Or each of the other shares would have a cold start of its own, at its first use.
            with suppress(Exception):
                run_each(store, MARK, self.keys.markers(), deadline)
        if refusal := _refusal(answer, usable_since):
            raise refusal
        return None

    async def _aadd(
        self,
        script: Script,
        keys: list[bytes],
        until: float,
        usable_since: float | None = None,
    ) -> tuple[Hashable, float] | None:
        if not self.connector.is_asyncio_ready:
            return await _in_thread(self._add, script, keys, until, usable_since)
        owner, deadline = os.urandom(OWNER_SIZE), self._deadline()
        store = await self._clients.aget()
        expiry, milliseconds = _lifetime(until)
        arguments: list[Any] = [owner, milliseconds]
        if usable_since is not None:
            arguments.append(round(usable_since * 1000))
        try:
            answer, *acks = await arun(store, script, keys, arguments, deadline, self._along)
        except BaseException as error:  # A task may be cancelled, too.
            self._take_back_later(keys[0], owner, expiry, error)
            raise
        if answer == RESERVED:
            if missing := shortage(acks, self.replicas):
                try:
                    last = time.monotonic() + self.connector.wait
                    await aattempt(store, RELEASE, keys[:1], [owner], last)
                except Exception as error:
                    self._take_back_later(keys[0], owner, expiry, error)
                raise missing
            return owner, expiry
        if answer < 0 and self.client_factory:
            with suppress(Exception):
                await arun_each(store, MARK, self.keys.markers(), deadline)
        if refusal := _refusal(answer, usable_since):
            raise refusal
        return None

    def _take_back_later(
        self, key: bytes, owner: bytes, expiry: float, error: BaseException
    ) -> None:
        # It may stand, or be carried out yet, and then nobody could ever use its token.
        if not was_refused(error):
            self._orphans.add(key, owner, expiry)

    def _deadline(self) -> float:
        return time.monotonic() + self.connector.time_for_attempts

    @cached_property
    def keys(self) -> Keys:
        """The names of what is kept."""
        return ClusterKeys(self.prefix) if self.client_factory else Keys(self.prefix)

    @cached_property
    def _along(self) -> list[Command]:
        if not self.replicas:
            return []
        return [wait_command(self.replicas, self.replica_timeout)]


async def _in_thread(function: Callable[..., T], *args: Any) -> T:
    return await sync_to_async(function, thread_sensitive=False)(*args)


def _lifetime(deadline: float) -> tuple[float, int]:
    """
    Return when an entry added now goes, and for how many milliseconds it is to live.

    It is a duration, not a moment, so the server's clock may be wrong. One millisecond more,
    because Redis counts from the start of the current one.
    """
    now = time.time()
    milliseconds = max(0, math.ceil((deadline - now) * 1000)) + 1
    return now + milliseconds / 1000, milliseconds


def _latest(answers: list[int]) -> float | None:
    return max(map(abs, answers)) / 1000 if all(answers) else None


def _refusal(answer: int, usable_since: float | None) -> ColdStart | None:
    # What is neither 0 nor RESERVED is the moment that a marker holds. One that has just been
    # written vouches for nothing yet.
    if usable_since is None or not answer:
        return None
    return ColdStart(max(0.0, abs(answer) / 1000 - usable_since))
