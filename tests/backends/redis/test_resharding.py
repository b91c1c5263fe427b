"""Where the cache looks for a key in a Redis Cluster whose slots are on the move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from jti_replay import CacheError
from jti_replay.backends.redis.transport.call import Call as TimedCall
from tests.backends.cluster_keys import alike, key_of
from tests.backends.conftest import Call, UseRedis
from tests.backends.waiting import PATIENT, wait_until
from tests.servers.cluster import Cluster, id_of, is_primary


def test_keys_are_found_while_their_slot_moves(
    call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    """One that has not gone yet is seen; a new one is sent on (ASK), and later all (MOVED)."""
    cache = use_cluster()
    before, during, late, after = alike(4)
    assert call(cache, "reserve", before)
    with resharding(cluster, key_of(before)) as (source, target, slot):
        source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", id_of(target))
        assert call(cache, "reserve", before) is None
        assert call(cache, "reserve", during)
        assert call(cache, "reserve", during) is None
        forget_node(call, cache, target)  # As if it had joined the cluster a moment ago.
        assert call(cache, "reserve", late)
        assert target.execute_command("CLUSTER COUNTKEYSINSLOT", slot) == 2
        move_keys(source, target, slot)
        for node in (target, source):
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", id_of(target))
        for jti in (before, during, late):
            assert call(cache, "reserve", jti) is None
        assert call(cache, "reserve", after)
    for jti in (before, during, late, after):
        assert call(cache, "release", jti) is True


def test_all_slots_are_found_when_one_has_moved(
    call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    cache = use_cluster(COLD_START="refuse")
    since = call(cache, "start_memory")
    [jti] = alike(1)
    with resharding(cluster, key_of(jti)) as (source, target, slot):
        move_keys(source, target, slot)
        for node in (target, source):
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", id_of(target))
        assert call(cache, "start_memory") == since


@contextmanager
def resharding(cluster: Cluster, key: bytes) -> Iterator[tuple[redis.Redis, redis.Redis, int]]:
    """Prepare to move the slot of a key to another primary. Move it back at the end."""
    holder = cluster.primary_of(key)
    with holder.client() as source:
        [target_node] = [
            node for node in cluster.nodes if node is not holder and is_primary(node)
        ][:1]
        slot: Any = source.execute_command("CLUSTER KEYSLOT", key)
        with target_node.client() as target:
            target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", id_of(source))
            try:
                yield source, target, slot
            finally:
                source.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", id_of(target))
                target.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", id_of(source))
                move_keys(target, source, slot)
                for node in (source, target):
                    node.execute_command("CLUSTER SETSLOT", slot, "NODE", id_of(source))


def move_keys(source: redis.Redis, target: redis.Redis, slot: int) -> None:
    port = target.connection_pool.connection_kwargs["port"]
    keys = [
        key
        for key in source.scan_iter()
        if source.execute_command("CLUSTER KEYSLOT", key) == slot
    ]
    if keys:
        source.execute_command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)


def forget_node(call: Call, cache: Any, node: redis.Redis) -> None:
    """Take a node out of the map that the cache has drawn."""
    port = node.connection_pool.connection_kwargs["port"]
    call(Map(cache._clients), "forget", f"127.0.0.1:{port}")


class Map:
    """The map that a cache has drawn, for threads or for the running event loop."""

    def __init__(self, clients: Any) -> None:
        self._clients = clients

    def forget(self, name: str) -> None:
        forget(self._clients._get(), name)

    async def aforget(self, name: str) -> None:
        forget(await self._clients._aget(), name)


def forget(store: Any, name: str) -> None:
    known = store._client.nodes_manager.nodes_cache
    known["another name"] = known.pop(name)


def test_there_is_an_end_to_being_sent_on(use_cluster: UseRedis, cluster: Cluster) -> None:
    """Being sent on, and asking all nodes, count against the same time limit."""
    store: Any = use_cluster()._clients._get()  # type: ignore[attr-defined]
    command = ("EXISTS", key_of("a"))
    assert store.send(key_of("a"), [command], TimedCall(PATIENT["timeout"])) == [0]
    with pytest.raises(redis.TimeoutError):
        store.send_each([(key_of("a"), command)], TimedCall(0))
    mislead(store, key_of("a"))
    with pytest.raises(redis.TimeoutError):
        store.send(key_of("a"), [command], TimedCall(0))
    assert store.recover(TimedCall(0)) is False


async def test_there_is_an_end_to_being_sent_on_in_a_loop(
    use_cluster: UseRedis, cluster: Cluster
) -> None:
    """The same holds on an event loop."""
    cache: Any = use_cluster()
    await cache._clients._aget()
    await cache.aclose()
    store = await cache._clients._aget()
    command = ("EXISTS", key_of("a"))
    assert await store.send(key_of("a"), [command], TimedCall(PATIENT["timeout"])) == [0]
    with pytest.raises(redis.TimeoutError):
        await store.send_each([(key_of("a"), command)], TimedCall(0))
    mislead(store, key_of("a"))
    with pytest.raises(redis.TimeoutError):
        await store.send(key_of("a"), [command], TimedCall(0))
    assert await store.recover(TimedCall(0)) is False
    await cache.aclose()


def mislead(store: Any, key: bytes) -> None:
    """Let a map show a key on a node that does not hold it."""
    slots, slot = store._client.nodes_manager.slots_cache, store._client.keyslot(key)
    slots[slot] = [node for node in store._client.get_primaries() if node not in slots[slot]]


def test_without_time_there_is_no_second_attempt(call: Call, use_cluster: UseRedis) -> None:
    """Here the first one takes as long as all may take together."""
    cache = use_cluster(COLD_START="refuse", OPTIONS={"timeout": 1e-6})
    for name, args in (("reserve", ["a"]), ("start_memory", [])):
        with pytest.raises((CacheError, redis.RedisError)):
            call(cache, name, *args)


def test_a_slot_that_nobody_serves_is_an_error(
    call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    cache = use_cluster()
    assert call(cache, "reserve", "served")
    with cluster.primary_of(key_of("served")).client() as client:
        slot: Any = client.execute_command("CLUSTER KEYSLOT", key_of("served"))
        client.execute_command("CLUSTER DELSLOTS", slot)
        try:
            with pytest.raises(CacheError, match=r"CLUSTERDOWN|not covered|not served"):
                call(cache, "reserve", "served")
        finally:
            client.execute_command("CLUSTER ADDSLOTS", slot)
    wait_until(lambda: call(cache, "release", "served"))
    cluster.wait_until_whole()
