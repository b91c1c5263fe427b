"""The cache in a Redis Cluster: every operation touches one slot, and a node may fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from django.test import SimpleTestCase
from redis.cluster import ClusterNode, RedisCluster

from jti_replay import replay_cache
from jti_replay.backends.base import BaseReplayCache
from jti_replay.digests import jti_digest
from jti_replay.testing import ReplayCacheTests
from tests.caches import redis_group
from tests.caches.conftest import Call
from tests.caches.redis_group import Cluster
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
    """Let the default cache be the cluster."""

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
    for node in cluster.nodes[: redis_group.PRIMARIES]:
        with node.client() as client:
            keys.update(client.keys())
    return keys


def flush(cluster: Cluster) -> None:
    for node in cluster.nodes[: redis_group.PRIMARIES]:
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


def test_an_entry_lies_in_one_of_256_slots(call: Call, use: Use, cluster: Cluster) -> None:
    flush(cluster)
    cache = use()
    jtis = [f"{number}" for number in range(30)]
    assert all(call(cache, "reserve", jti) for jti in jtis)
    assert keys_of(cluster) == {key_of(jti) for jti in jtis}
