"""The cache in a Redis Cluster: every operation touches one slot."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.test import SimpleTestCase
from redis.cluster import ClusterNode, RedisCluster

from jti_replay import ColdStart, Reservation
from jti_replay.backends.redis import RedisCache
from jti_replay.testing import ReplayCacheTests
from tests.backends.cluster_keys import key_of
from tests.backends.conftest import CLUSTER_FACTORY, Call, UseRedis
from tests.servers import free_port
from tests.servers.cluster import Cluster, is_primary
from tests.servers.redis import RedisProcess

BACKEND = "jti_replay.backends.redis.RedisCache"


def from_function(url: str, **kwargs: Any) -> RedisCluster:
    """What a project of several known nodes may write."""
    port = int(url.split(":")[2].split("/")[0])
    return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)], **kwargs)


def keys_of(cluster: Cluster) -> set[bytes]:
    keys: set[bytes] = set()
    for node in filter(is_primary, cluster.nodes):
        with node.client() as client:
            keys.update(client.keys())
    return keys


class RedisClusterTests(ReplayCacheTests, SimpleTestCase):
    cache_settings: ClassVar = {
        "BACKEND": BACKEND,
        "OPTIONS": {"client_factory": CLUSTER_FACTORY, "timeout": 3},
    }
    unreachable_settings: ClassVar = {**cache_settings, "LOCATION": "down"}

    @pytest.fixture(autouse=True)
    def settings_of_the_cluster(self, cluster: Cluster, settings: Any) -> None:
        backend = {"BACKEND": "django_redis.cache.RedisCache"}
        down = f"redis://127.0.0.1:{free_port()}"
        settings.CACHES = {
            "default": {**backend, "LOCATION": cluster.url},
            "down": {**backend, "LOCATION": down},
        }


def test_an_entry_lies_in_one_of_256_slots(
    call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    cache = use_cluster()
    jtis = [f"{number}" for number in range(30)]
    assert all(call(cache, "reserve", jti) for jti in jtis)
    assert keys_of(cluster) == {key_of(jti) for jti in jtis}


def test_an_entry_takes_120_bytes_at_the_most(use_cluster: UseRedis, cluster: Cluster) -> None:
    assert use_cluster().reserve("weighed")
    with cluster.primary_of(key_of("weighed")).client() as client:
        assert client.memory_usage(key_of("weighed")) <= 120


def test_a_cold_start_is_one_for_the_whole_cluster(
    call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    """Or else each of 256 slots would refuse, one after the other, when it is first used."""
    cache = use_cluster(COLD_START="refuse")
    with pytest.raises(ColdStart):
        call(cache, "reserve", "a", usable_since=time.time() - 60)
    assert keys_of(cluster) == {b"jti:{%02x}since" % tag for tag in range(256)}
    since = call(cache, "start_memory")
    jtis = [f"{number}" for number in range(20)]
    assert all(call(cache, "reserve", jti, usable_since=since) for jti in jtis)


def test_the_loss_of_one_share_is_a_cold_start_of_that_share(
    call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    cache = use_cluster(COLD_START="refuse")
    since = call(cache, "start_memory")
    lost = cluster.primary_of(key_of("a"))
    kept = next(f"{n}" for n in range(99) if cluster.primary_of(key_of(f"{n}")) is not lost)
    with lost.client() as client:
        client.flushall()
    with pytest.raises(ColdStart):
        call(cache, "reserve", "a", usable_since=since)
    assert call(cache, "reserve", f"{kept}", usable_since=since)
    assert call(cache, "release", f"{kept}") is True


def test_the_first_of_several_urls_that_answers_is_used(
    call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    cache = use_cluster([f"redis://127.0.0.1:{free_port()}/0", cluster.url])
    assert call(cache, "reserve", "several")
    assert call(cache, "reserve", "several") is None
    assert call(cache, "release", "several") is True


def test_a_factory_of_ones_own_is_used(
    call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    """By threads, also for event loops: it makes no client for them."""
    options = {"client_factory": f"{__name__}.{from_function.__name__}"}
    cache = use_cluster(OPTIONS=options, COLD_START="refuse")
    assert cache.check() == []
    since = call(cache, "start_memory")
    reservation = call(cache, "reserve", "own", usable_since=since)
    assert isinstance(reservation, Reservation)
    assert call(cache, "reserve", "own", usable_since=since) is None
    assert call(reservation, "release") is True
    with pytest.raises(ColdStart):
        call(cache, "reserve", "own", usable_since=since - 1)
    call(cache, "close")
    assert call(cache, "release", "own") is False


def test_threads_that_are_first_at_once_all_get_an_answer(use_cluster: UseRedis) -> None:
    cache = use_cluster()
    with ThreadPoolExecutor(32) as executor:
        answers = list(executor.map(lambda _: cache.reserve("first"), range(32)))
    assert len([answer for answer in answers if answer]) == 1
    assert cache.release("first") is True


def test_event_loops_use_no_threads_and_leave_no_connections(
    use_cluster: UseRedis, cluster: Cluster
) -> None:
    cache = use_cluster(cluster.url + "?client_name=of-a-loop", OPTIONS={"timeout": 9})

    async def work() -> None:
        before = threading.enumerate()
        jtis = [f"loop {number}" for number in range(200)]
        answers = await asyncio.gather(*map(cache.areserve, jtis))
        assert all(answers)
        assert await asyncio.gather(*map(cache.arelease, jtis)) == [True] * 200
        assert {*threading.enumerate()} <= {*before}

    asyncio.run(work())
    deadline = time.monotonic() + 5
    while any(map(clients_of_a_loop, cluster.nodes)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(clients_of_a_loop, cluster.nodes))


def clients_of_a_loop(node: RedisProcess) -> bool:
    with node.client() as client:
        return "of-a-loop" in [found["name"] for found in client.client_list()]


def test_a_close_forgets_nothing(call: Call, use_cluster: UseRedis) -> None:
    cache = use_cluster()
    call(cache, "close")
    assert call(cache, "reserve", "closed")
    call(cache, "close")
    assert call(cache, "release", "closed") is True


def test_a_user_may_do_what_is_needed(
    call: Call, use_cluster: UseRedis, cluster: Cluster
) -> None:
    """By the rule that the docs show."""
    rule = (Path(__file__).parents[3] / "docs" / "how-to" / "redis.md").read_text()
    [granted] = re.findall(r"^ACL SETUSER cluster-jti (.*)$", rule, re.MULTILINE)
    for node in cluster.nodes:
        with node.client() as admin:
            admin.execute_command("ACL SETUSER", "cluster-jti", *granted.split())
    cache = use_cluster(
        cluster.url.replace("//", "//cluster-jti:a-long-secret@"),
        COLD_START="refuse",
        OPTIONS={"replicas": 1, "replica_timeout": 0.3, "timeout": 2},
    )
    since = call(cache, "start_memory")
    reservation = call(cache, "reserve", "permitted", usable_since=since)
    assert call(cache, "reserve", "permitted", usable_since=since) is None
    assert call(reservation, "release") is True


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({"client_factory": CLUSTER_FACTORY}, []),
        ({"client_factory": f"{__name__}.from_function"}, []),
        ({"client_factory": None}, []),
        ({"client_factory": RedisCluster.from_url}, ["E001"]),
        ({"client_factory": "no.such.factory"}, ["E019"]),
        ({"client_factory": "nothing"}, ["E019"]),
        ({"client_factory": f"{__name__}.CLUSTER_FACTORY"}, ["E019"]),
        ({"client_factory": "redis.cluster.RedisCluster.from_nowhere"}, ["E019"]),
        ({"client_factory": "redis.asyncio.cluster.RedisCluster.from_url"}, ["E019"]),
        ({"client_factory": CLUSTER_FACTORY, "prefix": "{site}:"}, ["E014"]),
        ({"prefix": "{site}:"}, []),
        ({"client_factory": CLUSTER_FACTORY, "replicas": 1, "replica_timeout": 1.7}, ["E027"]),
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
