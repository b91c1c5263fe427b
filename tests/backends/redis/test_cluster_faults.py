"""The cache in a Redis Cluster, when nodes die and stall."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from jti_replay import CacheError
from tests.backends.cluster_keys import alike, key_of
from tests.backends.conftest import Call, UseRedis
from tests.backends.waiting import LIMIT, in_time, wait_until
from tests.servers.cluster import Cluster, is_primary
from tests.stopwatch import takes_at_most


def test_it_works_again_by_itself_after_a_failover(
    use_cluster: UseRedis, cluster: Cluster
) -> None:
    cache = use_cluster(OPTIONS={"timeout": LIMIT})
    [here] = alike(1)
    elsewhere = next(
        f"{n}"
        for n in range(99)
        if cluster.primary_of(key_of(f"{n}")) is not cluster.primary_of(key_of(here))
    )
    killed = cluster.primary_of(key_of(here))
    with asyncio.Runner() as runner:

        def areserve(jti: str) -> Any:
            return runner.run(awaited(cache.areserve, jti))

        assert cache.reserve("failover sync")
        assert areserve("failover async")
        killed.stop()
        try:
            assert not in_time(lambda: cache.reserve(here))
            assert not in_time(lambda: areserve(here))
            wait_until(lambda: areserve(here))
            wait_until(lambda: cache.reserve(here))  # The nodes learn of it one by one.
            assert cache.reserve(here) is None
            assert areserve(here) is None
            wait_until(lambda: cache.release(here))
            wait_until(lambda: cache.reserve(elsewhere))
            assert cache.release(elsewhere)
        finally:
            killed.start()
            cluster.wait_until_whole()


async def awaited(function: Callable[..., Any], *args: Any) -> Any:
    return await function(*args)


def test_a_node_that_is_paused_fails_its_own_keys_in_time(
    call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    cache = use_cluster(OPTIONS={"timeout": LIMIT})
    [jti] = alike(1)
    paused = cluster.primary_of(key_of(jti))
    elsewhere = [f"{n}" for n in range(99) if cluster.primary_of(key_of(f"{n}")) is not paused]
    assert call(cache, "reserve", elsewhere[0])
    paused.pause()
    try:
        assert not in_time(lambda: call(cache, "reserve", jti))
        assert call(cache, "reserve", elsewhere[0]) is None
        assert call(cache, "release", elsewhere[0]) is True
    finally:
        paused.resume()
    # A long pause makes a replica the primary, and what the old one takes since is lost.
    wait_until(lambda: call(cache, "reserve", jti) and call(cache, "release", jti))
    cluster.wait_until_whole()


@pytest.mark.parametrize("is_new", [False, True])
def test_a_cluster_that_is_paused_is_an_error_in_time(
    is_new: bool, call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    """Also for a process that never knew which nodes there are."""
    cache = use_cluster(
        cluster.url + "?socket_timeout=20&retry_on_timeout=yes", OPTIONS={"timeout": 0.3}
    )
    if not is_new:
        wait_until(lambda: call(cache, "reserve", "paused"))
    for node in cluster.nodes:
        node.pause()
    try:
        for name, args in (("reserve", ["a"]), ("release", ["a"]), ("start_memory", [])):
            with takes_at_most(0.3), pytest.raises((CacheError, redis.RedisError)):
                call(cache, name, *args)
    finally:
        for node in cluster.nodes:
            node.resume()
    wait_until(lambda: call(cache, "release", "paused"))
    cluster.wait_until_whole()


def test_many_threads_wait_no_longer_than_one(use_cluster: UseRedis, cluster: Cluster) -> None:
    cache = use_cluster(OPTIONS={"timeout": 0.3})
    for node in cluster.nodes:
        node.pause()
    try:
        with ThreadPoolExecutor(16) as executor:
            calls = [
                executor.submit(in_time, lambda: cache.reserve("many"), 0.3) for _ in range(32)
            ]
        assert not any(call.result() for call in calls)
    finally:
        for node in cluster.nodes:
            node.resume()
    wait_until(lambda: cache.reserve("many"))
    assert cache.release("many") is True
    cluster.wait_until_whole()


def test_what_a_replica_has_not_acknowledged_is_not_reserved(
    call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    cache = use_cluster(OPTIONS={"replicas": 1, "replica_timeout": 0.3, "timeout": 2})
    assert call(cache, "reserve", "acknowledged")
    assert call(cache, "reserve", "acknowledged") is None
    assert call(cache, "release", "acknowledged") is True
    replicas = [node for node in cluster.nodes if not is_primary(node)]
    for node in replicas:
        node.pause()
    try:
        with pytest.raises(CacheError, match="0 of 1 replicas"):
            call(cache, "reserve", "lonely")
    finally:
        for node in replicas:
            node.resume()
    wait_until(lambda: call(cache, "reserve", "lonely"))
    assert call(cache, "release", "lonely") is True
