"""The cache in a Redis Cluster: every operation touches one slot, and a node may fail."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from django.test import SimpleTestCase
from redis.cluster import ClusterNode, RedisCluster

from jti_replay import CacheError, ColdStart, Reservation, replay_cache
from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.redis import RedisCache
from jti_replay.backends.redis_call import arun, arun_each
from jti_replay.backends.redis_scripts import MARK
from jti_replay.digests import jti_digest
from jti_replay.testing import ReplayCacheTests
from tests.caches import redis_group
from tests.caches.conftest import Call
from tests.caches.redis_group import Cluster
from tests.caches.redis_process import RedisProcess
from tests.servers import free_port

BACKEND = "jti_replay.backends.redis.RedisCache"
FACTORY = "redis.cluster.RedisCluster.from_url"
TIMEOUT = 0.6
SLACK = 0.25
"""Seconds that a busy machine may add to a limit."""

Use = Callable[..., BaseReplayCache]


def from_function(url: str, **kwargs: Any) -> RedisCluster:
    """What a project of several known nodes may write."""
    port = int(url.split(":")[2].split("/")[0])
    return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)], **kwargs)


@pytest.fixture(scope="module")
def cluster(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with redis_group.cluster(redis_server, tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def use(settings: Any, cluster: Cluster) -> Use:
    """Let the default cache be the cluster, which is empty."""
    flush(cluster)

    def use(location: Any = None, **params: Any) -> BaseReplayCache:
        settings.CACHES = {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": location or cluster.url,
            }
        }
        options = {"client_factory": FACTORY, "timeout": TIMEOUT, **params.pop("OPTIONS", {})}
        settings.JTI_REPLAY = {
            "CACHES": {"default": {"BACKEND": BACKEND, "OPTIONS": options, **params}}
        }
        return replay_cache

    return use


def key_of(jti: str) -> bytes:
    digest = jti_digest("", jti)
    return b"jti:{%02x}" % digest[0] + digest


def keys_of(cluster: Cluster) -> set[bytes]:
    keys: set[bytes] = set()
    for node in filter(is_primary, cluster.nodes):
        with node.client() as client:
            keys.update(client.keys())
    return keys


def flush(cluster: Cluster) -> None:
    for node in filter(is_primary, cluster.nodes):
        with node.client() as client:
            client.flushall()


class RedisClusterTests(ReplayCacheTests, SimpleTestCase):
    cache_settings: ClassVar = {"BACKEND": BACKEND, "OPTIONS": {"client_factory": FACTORY}}
    unreachable_settings: ClassVar = {**cache_settings, "LOCATION": "down"}

    @pytest.fixture(autouse=True)
    def settings_of_the_cluster(self, cluster: Cluster, settings: Any) -> None:
        backend = {"BACKEND": "django_redis.cache.RedisCache"}
        down = f"redis://127.0.0.1:{free_port()}"
        settings.CACHES = {
            "default": {**backend, "LOCATION": cluster.url},
            "down": {**backend, "LOCATION": down},
        }


def alike(number: int) -> list[str]:
    """Return jtis that lie in one slot."""
    first = jti_digest("", "0")[0]
    names = (f"{name}" for name in itertools.count())
    return list(itertools.islice((n for n in names if jti_digest("", n)[0] == first), number))


def in_time(call: Callable[[], Any], limit: float = TIMEOUT) -> bool:
    """Make a call that may fail, but not take longer. Return whether it succeeded."""
    start = time.monotonic()
    try:
        succeeded = call() is not None
    except CacheError:
        succeeded = False
    assert time.monotonic() - start < limit + SLACK
    return succeeded


def wait_until(call: Callable[[], Any], seconds: float = 10) -> None:
    """Wait until a call succeeds, which may fail until then, but only in time."""
    deadline = time.monotonic() + seconds
    while not in_time(call):
        assert time.monotonic() < deadline, "It has not recovered."
        time.sleep(0.05)


def test_an_entry_lies_in_one_of_256_slots(call: Call, use: Use, cluster: Cluster) -> None:
    cache = use()
    jtis = [f"{number}" for number in range(30)]
    assert all(call(cache, "reserve", jti) for jti in jtis)
    assert keys_of(cluster) == {key_of(jti) for jti in jtis}


def test_an_entry_takes_120_bytes_at_the_most(use: Use, cluster: Cluster) -> None:
    assert use().reserve("weighed")
    with cluster.primary_of(key_of("weighed")).client() as client:
        assert client.memory_usage(key_of("weighed")) <= 120


def test_a_cold_start_is_one_for_the_whole_cluster(
    call: Call, use: Use, cluster: Cluster
) -> None:
    """Or else each of 256 slots would refuse, one after the other, when it is first used."""
    cache = use(COLD_START="refuse")
    with pytest.raises(ColdStart):
        call(cache, "reserve", "a", usable_since=time.time() - 60)
    assert keys_of(cluster) == {b"jti:{%02x}since" % tag for tag in range(256)}
    since = call(cache, "complete_since")
    jtis = [f"{number}" for number in range(20)]
    assert all(call(cache, "reserve", jti, usable_since=since) for jti in jtis)


def test_the_loss_of_one_share_is_a_cold_start_of_that_share(
    call: Call, use: Use, cluster: Cluster
) -> None:
    cache = use(COLD_START="refuse")
    since = call(cache, "complete_since")
    lost = cluster.primary_of(key_of("a"))
    kept = next(f"{n}" for n in range(99) if cluster.primary_of(key_of(f"{n}")) is not lost)
    with lost.client() as client:
        client.flushall()
    with pytest.raises(ColdStart):
        call(cache, "reserve", "a", usable_since=since)
    assert call(cache, "reserve", f"{kept}", usable_since=since)
    assert call(cache, "release", f"{kept}") is True


def test_the_first_of_several_urls_that_answers_is_used(
    call: Call, use: Use, cluster: Cluster
) -> None:
    cache = use([f"redis://127.0.0.1:{free_port()}/0", cluster.url])
    assert call(cache, "reserve", "several")
    assert call(cache, "reserve", "several") is None
    assert call(cache, "release", "several") is True


def test_a_factory_of_ones_own_is_used(call: Call, use: Use, cluster: Cluster) -> None:
    """By threads, also for event loops: it makes no client for them."""
    options = {"client_factory": f"{__name__}.{from_function.__name__}"}
    cache = use(OPTIONS=options, COLD_START="refuse")
    assert cache.check() == []
    since = call(cache, "complete_since")
    reservation = call(cache, "reserve", "own", usable_since=since)
    assert isinstance(reservation, Reservation)
    assert call(cache, "reserve", "own", usable_since=since) is None
    assert call(reservation, "release") is True
    with pytest.raises(ColdStart):
        call(cache, "reserve", "own", usable_since=since - 1)
    call(cache, "close")
    assert call(cache, "release", "own") is False


def test_threads_that_are_first_at_once_all_get_an_answer(use: Use) -> None:
    cache = use()
    with ThreadPoolExecutor(32) as executor:
        answers = list(executor.map(lambda _: cache.reserve("first"), range(32)))
    assert len([answer for answer in answers if answer]) == 1
    assert cache.release("first") is True


def test_event_loops_use_no_threads_and_leave_no_connections(
    use: Use, cluster: Cluster
) -> None:
    cache = use(cluster.url + "?client_name=of-a-loop", OPTIONS={"timeout": 9})

    async def work() -> None:
        before = threading.enumerate()
        jtis = [f"loop {number}" for number in range(200)]
        answers = await asyncio.gather(*map(cache.areserve, jtis))
        assert all(answers)
        assert await asyncio.gather(*map(cache.arelease, jtis)) == [True] * 200
        assert threading.enumerate() == before

    asyncio.run(work())
    deadline = time.monotonic() + 5
    while any(map(clients_of_a_loop, cluster.nodes)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(clients_of_a_loop, cluster.nodes))


def clients_of_a_loop(node: RedisProcess) -> bool:
    with node.client() as client:
        return "of-a-loop" in [found["name"] for found in client.client_list()]


def test_a_close_forgets_nothing(call: Call, use: Use) -> None:
    cache = use()
    call(cache, "close")
    assert call(cache, "reserve", "closed")
    call(cache, "close")
    assert call(cache, "release", "closed") is True


def test_keys_are_found_while_their_slot_moves(call: Call, use: Use, cluster: Cluster) -> None:
    """One that has not gone yet is seen; a new one is sent on (ASK), and later all (MOVED)."""
    cache = use()
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


def test_all_slots_are_found_when_one_has_moved(call: Call, use: Use, cluster: Cluster) -> None:
    cache = use(COLD_START="refuse")
    since = call(cache, "complete_since")
    [jti] = alike(1)
    with resharding(cluster, key_of(jti)) as (source, target, slot):
        move_keys(source, target, slot)
        for node in (target, source):
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", id_of(target))
        assert call(cache, "complete_since") == since


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


def is_primary(node: RedisProcess) -> bool:
    with node.client() as client:
        role: Any = client.execute_command("ROLE")
    return bool(role[0] == b"master")


def id_of(client: redis.Redis) -> str:
    name: Any = client.execute_command("CLUSTER MYID")
    return str(name.decode())


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
    """Take a node out of the maps that the cache has drawn."""
    name = f"127.0.0.1:{node.connection_pool.connection_kwargs['port']}"
    stores = [
        cache._clients.get(),
        *(store for store, _ in cache._clients._loop_stores.values()),
    ]
    for store in stores:
        if store._client is not None:
            known = store._client.nodes_manager.nodes_cache
            known["another name"] = known.pop(name)


def test_it_works_again_by_itself_after_a_failover(use: Use, cluster: Cluster) -> None:
    cache = use()
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

        assert cache.reserve("failover sync") or True
        assert areserve("failover async") or True
        killed.stop()
        try:
            assert not in_time(lambda: cache.reserve(here))
            assert not in_time(lambda: areserve(here))
            wait_until(lambda: areserve(here))
            assert cache.reserve(here) is None
            assert areserve(here) is None
            wait_until(lambda: cache.release(here) or None)
            wait_until(lambda: cache.reserve(elsewhere))
            assert cache.release(elsewhere)
        finally:
            killed.start()
            cluster.wait_until_whole()


async def awaited(function: Callable[..., Any], *args: Any) -> Any:
    return await function(*args)


def test_a_node_that_is_paused_fails_its_own_keys_in_time(
    call: Call, use: Use, cluster: Cluster
) -> None:
    cache = use()
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
    wait_until(lambda: call(cache, "reserve", jti))
    assert call(cache, "release", jti) is True
    cluster.wait_until_whole()


@pytest.mark.parametrize("is_new", [False, True])
def test_a_cluster_that_is_paused_is_an_error_in_time(
    is_new: bool, call: Call, use: Use, cluster: Cluster
) -> None:
    """Also for a process that never knew which nodes there are."""
    cache = use(
        cluster.url + "?socket_timeout=20&retry_on_timeout=yes", OPTIONS={"timeout": 0.3}
    )
    if not is_new:
        assert call(cache, "reserve", "paused")
    for node in cluster.nodes:
        node.pause()
    try:
        for name, args in (("reserve", ["a"]), ("release", ["a"]), ("complete_since", [])):
            start = time.monotonic()
            with pytest.raises((CacheError, redis.RedisError)):
                call(cache, name, *args)
            assert time.monotonic() - start < 0.3 + SLACK
    finally:
        for node in cluster.nodes:
            node.resume()
    wait_until(lambda: call(cache, "release", "paused") is not None or None)
    cluster.wait_until_whole()


def test_many_threads_wait_no_longer_than_one(use: Use, cluster: Cluster) -> None:
    cache = use(OPTIONS={"timeout": 0.3})
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
    call: Call, use: Use, cluster: Cluster
) -> None:
    cache = use(OPTIONS={"replicas": 1, "replica_timeout": 0.1, "timeout": 0.8})
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


def test_there_is_an_end_to_being_sent_on(use: Use, cluster: Cluster) -> None:
    """And to the time for all nodes: so they count against the same limit."""
    store: Any = use()._clients.get()  # type: ignore[attr-defined]
    now, command = time.monotonic(), ("EXISTS", key_of("a"))
    assert store.send(key_of("a"), [command], now + TIMEOUT) == [0]
    with pytest.raises(redis.TimeoutError):
        store.send_each([(key_of("a"), command)], now)
    mislead(store, key_of("a"))
    with pytest.raises(redis.TimeoutError):
        store.send(key_of("a"), [command], now)
    assert store.recover(now) is False


async def test_there_is_an_end_to_being_sent_on_in_an_event_loop(
    use: Use, cluster: Cluster
) -> None:
    cache: Any = use()
    await cache._clients.aget()
    await cache.aclose()
    store = await cache._clients.aget()
    now, command = time.monotonic(), ("EXISTS", key_of("a"))
    assert await store.send(key_of("a"), [command], now + TIMEOUT) == [0]
    with pytest.raises(redis.TimeoutError):
        await store.send_each([(key_of("a"), command)], now)
    mislead(store, key_of("a"))
    with pytest.raises(redis.TimeoutError):
        await store.send(key_of("a"), [command], now)
    with pytest.raises(redis.TimeoutError):
        await arun(store, MARK, [key_of("a")], [], now)
    with pytest.raises(redis.TimeoutError):
        await arun_each(store, MARK, [key_of("a")], now)
    assert await store.recover(now) is False
    await cache.aclose()


def mislead(store: Any, key: bytes) -> None:
    """Let a map show a key on a node that does not hold it."""
    slots, slot = store._client.nodes_manager.slots_cache, store._client.keyslot(key)
    slots[slot] = [node for node in store._client.get_primaries() if node not in slots[slot]]


def test_without_time_there_is_no_second_attempt(call: Call, use: Use) -> None:
    """Here the first one takes as long as all may take together."""
    cache = use(COLD_START="refuse", OPTIONS={"timeout": 1e-6})
    for name, args in (("reserve", ["a"]), ("complete_since", [])):
        with pytest.raises((CacheError, redis.RedisError)):
            call(cache, name, *args)


def test_a_slot_that_nobody_serves_is_an_error(call: Call, use: Use, cluster: Cluster) -> None:
    cache = use()
    assert call(cache, "reserve", "served")
    with cluster.primary_of(key_of("served")).client() as client:
        slot: Any = client.execute_command("CLUSTER KEYSLOT", key_of("served"))
        client.execute_command("CLUSTER DELSLOTS", slot)
        try:
            with pytest.raises(CacheError, match=r"CLUSTERDOWN|not covered|not served"):
                call(cache, "reserve", "served")
        finally:
            client.execute_command("CLUSTER ADDSLOTS", slot)
    wait_until(lambda: call(cache, "release", "served") or None)
    cluster.wait_until_whole()


def test_a_user_may_do_what_is_needed(call: Call, use: Use, cluster: Cluster) -> None:
    """By the rule that the docs show."""
    rule = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
    [granted] = re.findall(r"^ACL SETUSER cluster-jti (.*)$", rule, re.MULTILINE)
    for node in cluster.nodes:
        with node.client() as admin:
            admin.execute_command("ACL SETUSER", "cluster-jti", *granted.split())
    cache = use(
        cluster.url.replace("//", "//cluster-jti:a-long-secret@"),
        COLD_START="refuse",
        OPTIONS={"replicas": 1},
    )
    since = call(cache, "complete_since")
    reservation = call(cache, "reserve", "permitted", usable_since=since)
    assert call(cache, "reserve", "permitted", usable_since=since) is None
    assert call(reservation, "release") is True


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({"client_factory": FACTORY}, []),
        ({"client_factory": f"{__name__}.from_function"}, []),
        ({"client_factory": None}, []),
        ({"client_factory": RedisCluster.from_url}, ["E001"]),
        ({"client_factory": "no.such.factory"}, ["E019"]),
        ({"client_factory": "nothing"}, ["E019"]),
        ({"client_factory": f"{__name__}.FACTORY"}, ["E019"]),
        ({"client_factory": "redis.cluster.RedisCluster.from_nowhere"}, ["E019"]),
        ({"client_factory": "redis.asyncio.cluster.RedisCluster.from_url"}, ["E019"]),
        ({"client_factory": FACTORY, "prefix": "{site}:"}, ["E014"]),
        ({"prefix": "{site}:"}, []),
        ({"client_factory": FACTORY, "replicas": 1, "replica_timeout": 0.25}, ["E020"]),
    ],
    ids=str,
)
def test_options_are_checked(options: dict[str, Any], ids: list[str], settings: Any) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1",
        }
    }
    messages = RedisCache("default", {"OPTIONS": options}).check()
    assert [message.id for message in messages] == [f"jti_replay.{id_}" for id_ in ids]
    assert all(message.hint for message in messages)
