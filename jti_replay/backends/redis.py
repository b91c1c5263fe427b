"""A replay cache in Redis or Valkey, shared by all hosts of a site."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string
from django_redis.cache import RedisCache as DjangoRedisCache
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ConnectionError, NoScriptError, TimeoutError

from jti_replay.checks.mappings import check_seconds, wrong_type
from jti_replay.doctor.finding import Finding
from jti_replay.doctor.redis import examine_redis

from .base import BaseReplayCache
from .redis_clients import RedisClients

DEFAULT_PREFIX = "jti:"
DEFAULT_TIMEOUT = 0.8
OWNER_SIZE = 12

ATTEMPTS = 2
LOST = (ConnectionError, TimeoutError)
"""The errors after which it is unknown whether the server did what it was asked."""


class Script:
    """A Lua script: what runs inside the server happens at once, in one round trip."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


# The owner is read back, so that one's own reserve is told from another's when its reply was
# lost and it is sent again. Redis 6.2 has no SET NX GET that would do it.
RESERVE = Script("""\
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0""")

RELEASE = Script("""\
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0""")

RELEASE_ANY = Script("return redis.call('DEL', KEYS[1])")


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
    """

    known_options: ClassVar[frozenset[str]] = frozenset({"prefix", "timeout"})

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.location = self.location or "default"
        self.prefix: str = self.options.get("prefix", DEFAULT_PREFIX)
        self.timeout: float = self.options.get("timeout", DEFAULT_TIMEOUT)
        self._clients = RedisClients(self.location, self.timeout, ATTEMPTS)

    def add(self, digest: bytes, deadline: float) -> tuple[Hashable, float] | None:
        """Set the key unless it is there, in one round trip."""
        owner = os.urandom(OWNER_SIZE)
        expiry, milliseconds = _lifetime(deadline)
        reserved = self._run(RESERVE, digest, owner, milliseconds)
        return (owner, expiry) if reserved else None

    async def aadd(self, digest: bytes, deadline: float) -> tuple[Hashable, float] | None:
        """Do what :meth:`add` does, on the event loop."""
        owner = os.urandom(OWNER_SIZE)
        expiry, milliseconds = _lifetime(deadline)
        reserved = await self._arun(RESERVE, digest, owner, milliseconds)
        return (owner, expiry) if reserved else None

    def remove(self, digest: bytes, owner: Hashable | None) -> bool:
        """Delete the key if the owner holds it, in one round trip."""
        if owner is None:
            return self._run(RELEASE_ANY, digest)
        return self._run(RELEASE, digest, owner)

    async def aremove(self, digest: bytes, owner: Hashable | None) -> bool:
        """Do what :meth:`remove` does, on the event loop."""
        if owner is None:
            return await self._arun(RELEASE_ANY, digest)
        return await self._arun(RELEASE, digest, owner)

    def diagnose(self) -> Iterator[Finding]:
        """Say what the store would survive."""
        return examine_redis(self)

    def close(self) -> None:
        """Let the connections of all threads go. Those of an event loop go with it."""
        self._clients.close()

    async def aclose(self) -> None:
        """Let the connections of the running event loop go."""
        await self._clients.aclose()

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Refuse options of a wrong type, and a location that django-redis does not serve."""
        return [*self._check_prefix(), *self._check_timeout(), *self._check_location()]

    def _run(self, script: Script, digest: bytes, *arguments: Any) -> bool:
        client = self._clients.get()
        key = self.prefix.encode() + digest
        try:
            return _evaluate(client, script, key, *arguments)
        except LOST:
            # Whether it was carried out is unknown. To send it once more does no harm: by the
            # owner token the script recognises what the first one did.
            return _evaluate(client, script, key, *arguments)

    async def _arun(self, script: Script, digest: bytes, *arguments: Any) -> bool:
        if not self._clients.is_asyncio_ready:
            run = sync_to_async(self._run, thread_sensitive=False)
            return await run(script, digest, *arguments)
        client = await self._clients.aget()
        key = self.prefix.encode() + digest
        try:
            return await _aevaluate(client, script, key, *arguments)
        except LOST:
            return await _aevaluate(client, script, key, *arguments)

    def _check_prefix(self) -> list[checks.CheckMessage]:
        prefix: object = self.prefix
        if isinstance(prefix, str):
            return []
        return [wrong_type(f"prefix of the replay cache {self.alias!r}", prefix, "a str")]

    def _check_timeout(self) -> list[checks.CheckMessage]:
        where = f"timeout of the replay cache {self.alias!r}"
        if self.timeout == 0:
            return [
                checks.Error(
                    f"{where} must not be 0.",
                    hint=f"Set OPTIONS['timeout'] to a number such as {DEFAULT_TIMEOUT}.",
                    id="jti_replay.E014",
                )
            ]
        return check_seconds(where, self.timeout)

    def _check_location(self) -> list[checks.CheckMessage]:
        try:
            backend = import_string(settings.CACHES[self.location]["BACKEND"])
        except KeyError:
            problem = "settings.CACHES does not name"
        except ImportError:
            problem = "names a BACKEND that cannot be imported"
        else:
            if issubclass(backend, DjangoRedisCache):
                return []
            problem = "is not served by django-redis"
        return [
            checks.Error(
                f"The replay cache {self.alias!r} is to use the cache {self.location!r}, which "
                f"{problem}.",
                hint="Set LOCATION to an alias of settings.CACHES whose BACKEND is "
                "'django_redis.cache.RedisCache'.",
                id="jti_replay.E005",
            )
        ]


def _lifetime(deadline: float) -> tuple[float, int]:
    """
    Return when an entry added now goes, and for how many milliseconds it is to live.

    It is a duration, not a moment, so the server's clock may be wrong. One millisecond more,
    because Redis counts from the start of the current one.
    """
    now = time.time()
    milliseconds = max(0, math.ceil((deadline - now) * 1000)) + 1
    return now + milliseconds / 1000, milliseconds


def _evaluate(client: Redis, script: Script, key: bytes, *arguments: Any) -> bool:
    try:
        return bool(client.evalsha(script.sha, 1, key, *arguments))
    except NoScriptError:  # The server was restarted, or never saw the script.
        return bool(client.eval(script.source, 1, key, *arguments))


async def _aevaluate(client: AsyncRedis, script: Script, key: bytes, *arguments: Any) -> bool:
    try:
        return bool(await client.evalsha(script.sha, 1, key, *arguments))
    except NoScriptError:
        return bool(await client.eval(script.source, 1, key, *arguments))
