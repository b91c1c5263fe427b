"""What a cache in Redis would survive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from redis import Redis
from redis.exceptions import ResponseError

from jti_replay.backends.findings import Finding
from jti_replay.backends.latency import examine_clock, examine_latency
from jti_replay.backends.redis.keys import Keys

from .connecting import examine_connecting
from .durability import examine_durability
from .entries import examine_entries
from .replicas import examine_replicas
from .server import examine_server
from .sharing import examine_sharing

Examination = Callable[[], Iterator[Finding]]


def examine_redis(
    servers: Sequence[tuple[str, Redis]],
    *,
    location: str,
    keys: Keys,
    wait: float,
    timeout: float,
    refuses_cold_start: bool,
) -> Iterator[Finding]:
    """
    Ask the server, or each primary of a cluster.

    ``location`` is its alias in ``settings.CACHES``; the other arguments are what a cache
    that keeps its entries there goes by. Times are in seconds.
    """
    for name, server in servers:
        with suppress(ResponseError):  # It answers. What it forbids is said below.
            server.ping()
        yield _of(name, Finding.ok("reachable", True, "It answers."))
        examinations: dict[str, Examination] = {
            "latency": partial(examine_latency, server.ping, wait),
            "new-connection": partial(examine_connecting, server, timeout),
            "clock-difference": partial(examine_clock, partial(_time, server)),
            "server": partial(examine_server, server),
            "persistence": partial(examine_durability, server, refuses_cold_start),
            "replicas": partial(examine_replicas, server),
            "entries": partial(examine_entries, server, keys),
        }
        for finding in _permitted(examinations):
            yield _of(name, finding)
    yield from examine_sharing(location)


def _of(name: str, finding: Finding) -> Finding:
    return replace(finding, text=f"{name}: {finding.text}") if name else finding


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
