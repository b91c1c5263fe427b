"""What a cache in Redis would survive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from jti_replay.backends.findings import Finding
from jti_replay.backends.latency import examine_clock, examine_latency

from .durability import examine_durability
from .entries import examine_entries
from .replicas import examine_replicas
from .server import examine_server
from .sharing import examine_sharing

if TYPE_CHECKING:
    from redis import Redis

    from jti_replay.backends.redis.cache import RedisCache

Examination = Callable[[], Iterator[Finding]]


def examine_redis(cache: RedisCache) -> Iterator[Finding]:
    """Ask the server, or each primary of a cluster, and try the cache itself."""
    servers = cache.servers()
    for name, server in servers:
        for finding in _examine_server(cache, server):
            yield replace(finding, text=f"{name}: {finding.text}") if name else finding
    yield from examine_sharing(cache)


def _examine_server(cache: RedisCache, server: Redis) -> Iterator[Finding]:
    with suppress(ResponseError):  # It answers. What it forbids is said below.
        server.ping()
    yield Finding.ok("reachable", True, "It answers.")
    yield from _permitted(
        {
            "latency": partial(examine_latency, server.ping, cache.connector.wait),
            "clock-difference": partial(examine_clock, partial(_time, server)),
            "server": partial(examine_server, server),
            "persistence": partial(examine_durability, cache, server),
            "replicas": partial(examine_replicas, server),
            "entries": partial(examine_entries, cache, server),
        }
    )


def _permitted(examinations: dict[str, Examination]) -> Iterator[Finding]:
    for key, examination in examinations.items():
        try:
            yield from examination()
        except (ResponseError, KeyError) as error:
            # An ACL or a host forbids some commands, or a look-alike of Redis lacks them.
            yield Finding.warning(
                key,
                None,
                f"It does not let itself be looked at: {error}",
                hint="Let the user of this cache run PING, TIME, INFO, CONFIG GET, SCAN, "
                "DBSIZE and MEMORY USAGE, or look at it by other means.",
                check="jti_replay.W015",
            )


def _time(server: Redis) -> float:
    seconds, microseconds = server.time()
    return seconds + microseconds / 1e6
