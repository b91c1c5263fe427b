"""Memory and operations: measured for one key and one node, and multiplied."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import time
from typing import Any

import redis
from django.test import override_settings

from benchmarks.method import progress
from jti_replay import replay_caches
from jti_replay.backends.redis.entries import OWNER_SIZE
from jti_replay.backends.redis.keys import ClusterKeys, Keys
from jti_replay.backends.redis.options import RedisOptions
from jti_replay.backends.redis.scripts import RESERVE
from jti_replay.reservation.digests import DIGEST_SIZE
from tests.servers.redis import redis_server

FILLED = 300_000
"""Keys over which the growth of the server's memory is measured."""

OPERATIONS = 300_000
CLIENTS = 50
RUNS = 3
"""The fastest of so many counts: the others were disturbed."""

LEEWAY = 30
HEADROOM = 0.5
"""The share of a node that is used at the most, in memory and in operations."""

NODE_MEMORY = 16 * 2**30
"""Bytes of memory of the node that is counted with."""

LOADS = ((1_000, 3600), (10_000, 3600), (100_000, 300), (100_000, 3600), (1_000_000, 300))
"""Tokens in a second, and seconds that each lives."""


def measure() -> dict[str, Any] | None:
    """Return the bytes of a key and the reserves of a node in a second; None without Redis."""
    with redis_server() as process:
        if process is None:
            return None
        server, port = process.client(), process.port
        return {
            "Redis": server.info()["redis_version"],
            "bytes of a key": _bytes_of_key(server, port),
            "bytes of a key in a cluster": _bytes_of_cluster_key(server),
            "bytes with the table": _bytes_with_table(server),
            "reserves": {str(depth): _reserves(server, port, depth) for depth in (1, 16)},
        }


def needs(rate: float, lifetime: float, measured: dict[str, Any]) -> dict[str, float]:
    """Return what a rate of tokens takes, by what was measured."""
    live = rate * (lifetime + LEEWAY + 1)
    memory = live * measured["bytes with the table"]
    by_memory = math.ceil(memory / (NODE_MEMORY * HEADROOM))
    by_rate = math.ceil(rate / (measured["reserves"]["1"] * HEADROOM))
    return {
        "live": live,
        "memory": memory,
        "nodes by memory": by_memory,
        "nodes by rate": by_rate,
        "nodes": max(by_memory, by_rate),
    }


def _bytes_of_key(server: redis.Redis, port: int) -> float:
    progress("the bytes of a key")
    settings = {
        "CACHES": {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": f"redis://127.0.0.1:{port}/0",
            }
        },
        "JTI_REPLAY": {
            "CACHES": {"default": {"BACKEND": "jti_replay.backends.redis.RedisCache"}}
        },
    }
    with override_settings(**settings):
        expiry = int(time.time()) + 3600
        for number in range(100):
            replay_caches["default"].reserve(f"token {number}", expiry, namespace="issuer")
    keys = list(server.scan_iter(count=1000))
    return sum(int(server.memory_usage(key)) for key in keys) / len(keys)


def _bytes_of_cluster_key(server: redis.Redis) -> float:
    """Return the bytes of one whose key has a tag besides, on one server like any other."""
    key = ClusterKeys(RedisOptions().prefix).entry(os.urandom(DIGEST_SIZE))
    server.set(key, os.urandom(OWNER_SIZE), px=3_600_000)
    return float(server.memory_usage(key))


def _bytes_with_table(server: redis.Redis) -> float:
    """Return the growth of the server for each key, its hash tables included."""
    progress("the memory of many keys")
    server.flushall()
    sha = server.script_load(RESERVE.source)
    before, keys = int(server.info()["used_memory"]), Keys(RedisOptions().prefix)
    for _ in range(FILLED // 1000):
        pipeline = server.pipeline(transaction=False)
        for _ in range(1000):
            key = keys.entry(os.urandom(DIGEST_SIZE))
            pipeline.evalsha(sha, 1, key, os.urandom(OWNER_SIZE), 3_600_000)
        pipeline.execute()
    grown = int(server.info()["used_memory"]) - before
    return grown / int(server.dbsize())


def _reserves(server: redis.Redis, port: int, depth: int) -> float | None:
    """Return how many new jtis a node takes in a second, by so many requests in one packet."""
    progress(f"the reserves of a node, {depth} in a packet")
    benchmark = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    if benchmark is None:
        return None
    server.flushall()
    sha = server.script_load(RESERVE.source)
    command = [
        *(benchmark, "-p", str(port), "-c", str(CLIENTS), "-n", str(OPERATIONS)),
        *("-P", str(depth), "-r", "1000000000", "--csv"),
        *("EVALSHA", sha, "1", "jti:{a}__rand_int__", "owner-of-12-", "3600000"),
    ]
    rates = []
    for _ in range(RUNS):
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
        rates.append(float(re.findall(r'"([\d.]+)"', ended.stdout.splitlines()[-1])[0]))
    return max(rates)
