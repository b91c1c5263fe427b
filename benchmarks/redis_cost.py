"""What a reserve and a release cost on Redis, beside the bare command."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import redis
import redis.asyncio
from django.core.cache import caches
from django.test import override_settings

from jti_replay import replay_caches
from tests.servers.redis import redis_server

from .method import compare, fresh_jtis, progress

BATCH = 300
TASKS = 100
RAW_SET, RAW_DELETE = "redis-py SET NX PX", "redis-py DEL"
RESERVE, RELEASE, ARESERVE = "RedisCache.reserve", "Reservation.release", "RedisCache.areserve"
VOUCHED = "RedisCache.reserve, COLD_START refuse"

CACHE = {
    "BACKEND": "jti_replay.backends.redis.RedisCache",
    "LOCATION": "default",
    # Not to fail when the garbage of other sections is collected.
    "OPTIONS": {"timeout": 20},
}


def measure(rounds: int) -> dict[str, Any] | None:
    """Return the costs, the round trips and the memory, or None without a Redis."""
    progress("Redis")
    with redis_server() as process:
        if process is None:
            return None
        url = process.url
        settings = {
            "CACHES": {
                "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url},
                "django": {
                    "BACKEND": "django.core.cache.backends.redis.RedisCache",
                    "LOCATION": url,
                },
            },
            "JTI_REPLAY": {
                "CACHES": {"default": CACHE, "vouched": {**CACHE, "COLD_START": "refuse"}}
            },
        }
        with override_settings(**settings):
            raw = process.client()
            return {
                "reserve": _reserve(raw, rounds),
                "release": _release(raw, rounds),
                "reserve, 100 tasks": _async(raw, rounds),
                "round trips": _round_trips(raw),
                "bytes per key": _bytes_per_key(raw),
            }


def _reserve(raw: redis.Redis, rounds: int) -> dict[str, Any]:
    cache, expiry = replay_caches["default"], int(time.time()) + 600
    vouched, since = _vouched()
    calls: dict[str, Callable[[str], Any]] = {
        RAW_SET: lambda jti: raw.set(jti, b"1", nx=True, px=600_000),
        RESERVE: lambda jti: cache.reserve(jti, expiry),
        VOUCHED: lambda jti: vouched.reserve(jti, expiry, usable_since=since),
        "django-redis cache.add": lambda jti: caches["default"].add(jti, 1, timeout=600),
        "Django RedisCache.add": lambda jti: caches["django"].add(jti, 1, timeout=600),
    }
    return _costs(calls, RAW_SET, rounds)


def _release(raw: redis.Redis, rounds: int) -> dict[str, Any]:
    cache, expiry = replay_caches["default"], int(time.time()) + 600

    def batches() -> Mapping[str, tuple[Callable[[], object], int]]:
        keys = fresh_jtis(BATCH)
        for key in keys:
            raw.set(key, b"1")
        held = [cache.reserve(jti, expiry) for jti in fresh_jtis(BATCH)]
        set_ = _run(lambda jti: raw.set(jti, b"1", nx=True, px=600_000))
        return {
            RAW_SET: (set_, BATCH),
            RAW_DELETE: (lambda: [raw.delete(key) for key in keys], BATCH),
            RELEASE: (lambda: [one and one.release() for one in held], BATCH),
        }

    return compare(batches, base=RAW_SET, rounds=rounds)


def _async(raw: redis.Redis, rounds: int) -> dict[str, Any]:
    cache, expiry = replay_caches["default"], int(time.time()) + 600

    async def ours(jti: str) -> None:
        assert await cache.areserve(jti, expiry)

    async def native(jti: str) -> None:
        assert await client.set(jti, b"1", nx=True, px=600_000)

    async def django_redis(jti: str) -> None:
        assert await caches["default"].aadd(jti, 1, timeout=600)

    port = raw.connection_pool.connection_kwargs["port"]
    pool = redis.asyncio.BlockingConnectionPool(port=port, max_connections=TASKS)
    client = redis.asyncio.Redis.from_pool(pool)

    with asyncio.Runner() as runner:

        def batches() -> Mapping[str, tuple[Callable[[], object], int]]:
            jtis = fresh_jtis(TASKS * 5)
            return {
                RAW_SET: (
                    lambda: [raw.set(jti, b"1", nx=True, px=600_000) for jti in jtis],
                    len(jtis),
                ),
                "redis-py asyncio SET NX PX": (lambda: runner.run(_tasks(native)), len(jtis)),
                ARESERVE: (lambda: runner.run(_tasks(ours)), len(jtis)),
                "django-redis cache.aadd": (
                    lambda: runner.run(_tasks(django_redis)),
                    len(jtis),
                ),
            }

        try:
            return compare(batches, base=RAW_SET, rounds=rounds)
        finally:
            runner.run(client.aclose())


async def _tasks(call: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    async def five() -> None:
        for jti in fresh_jtis(5):
            await call(jti)

    await asyncio.gather(*(five() for _ in range(TASKS)))


def _round_trips(raw: redis.Redis) -> dict[str, float]:
    cache, expiry = replay_caches["default"], int(time.time()) + 600
    vouched, since = _vouched()
    jtis, others = fresh_jtis(BATCH), fresh_jtis(BATCH)
    cache.reserve("warm up")
    vouched.reserve("warm up too", usable_since=since)
    held: list[Any] = []
    return {
        "reserve, COLD_START refuse": _reads(
            raw, lambda: [vouched.reserve(j, expiry, usable_since=since) for j in others]
        ),
        "reserve": _reads(raw, lambda: held.extend(cache.reserve(j, expiry) for j in jtis)),
        "release": _reads(raw, lambda: [one.release() for one in held]),
    }


def _vouched() -> tuple[Any, float]:
    """Return a cache that vouches for tokens, and since when they can have been used."""
    cache = replay_caches["vouched"]
    return cache, (cache.start_memory() or 0) + 1


def _reads(raw: redis.Redis, run: Callable[[], object]) -> float:
    before: Any = raw.info("stats")
    run()
    after: Any = raw.info("stats")
    # The second INFO is one of them.
    return (after["total_reads_processed"] - before["total_reads_processed"] - 1) / BATCH


def _bytes_per_key(raw: redis.Redis) -> int:
    raw.flushall()
    replay_caches["default"].reserve("a")
    (key,) = raw.keys()  # type: ignore[misc]
    return int(raw.memory_usage(key))  # type: ignore[arg-type]


def _costs(calls: dict[str, Callable[[str], Any]], base: str, rounds: int) -> dict[str, Any]:
    def batches() -> Mapping[str, tuple[Callable[[], object], int]]:
        return {name: (_run(call), BATCH) for name, call in calls.items()}

    return compare(batches, base=base, rounds=rounds)


def _run(call: Callable[[str], Any]) -> Callable[[], object]:
    jtis = fresh_jtis(BATCH)

    def run() -> None:
        for jti in jtis:
            assert call(jti)

    return run
