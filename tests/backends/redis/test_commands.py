"""What the cache in Redis says to its server, and what it leaves there."""

from __future__ import annotations

import time

import pytest
import redis

from jti_replay import Reservation
from jti_replay.backends.redis.scripts import RESERVE, RESERVE_IF_WARM, Script
from jti_replay.reservation.digests import jti_digest
from tests.backends.conftest import Call, UseRedis
from tests.servers.lossy_proxy import LossyProxy, every_request

JTI = "jti-that-nobody-may-read"
NAMESPACE = "issuer-that-nobody-may-read"


def total_commands(server: redis.Redis) -> dict[str, int]:
    stats = server.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}
    # But for the test's own, whose names depend on the version of the server.
    return {name: n for name, n in calls.items() if not name.startswith(("info", "config"))}


def test_a_reserve_and_a_release_are_one_round_trip_each(
    call: Call, use_redis: UseRedis, proxy: LossyProxy
) -> None:
    cache = use_redis(proxy.url)
    call(call(cache, "reserve", "warm"), "release")
    call(cache, "release", "warm")
    proxy.lose(among=every_request)
    reservation = call(cache, "reserve", "a")
    assert len(proxy.requests) == 1
    assert call(cache, "reserve", "a") is None
    assert len(proxy.requests) == 2
    assert call(reservation, "release") is True
    assert len(proxy.requests) == 3
    call(cache, "release", "a")
    assert len(proxy.requests) == 4


def test_the_server_runs_few_commands_for_it(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(redis_url)
    call(cache, "reserve", "warm")
    server.config_resetstat()
    assert call(cache, "reserve", "a")
    assert total_commands(server) == {"evalsha": 1, "set": 1}
    server.config_resetstat()
    assert call(cache, "reserve", "a") is None
    assert total_commands(server) == {"evalsha": 1, "set": 1, "get": 1}


@pytest.mark.parametrize("expires_at", [None, 4_000_000_000])
def test_an_entry_takes_120_bytes_at_the_most(
    call: Call,
    use_redis: UseRedis,
    redis_url: str,
    server: redis.Redis,
    expires_at: float | None,
) -> None:
    cache = use_redis(redis_url)
    for number in range(20):
        assert call(cache, "reserve", f"{JTI * 10} {number}", expires_at, namespace=NAMESPACE)
    keys = server.keys()
    assert len(keys) == 20
    assert max(server.memory_usage(key) for key in keys) <= 120


def test_only_a_digest_and_an_owner_token_are_stored(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(redis_url)
    call(cache, "reserve", JTI, namespace=NAMESPACE)
    [key] = server.keys()
    assert key == b"jti:" + jti_digest(NAMESPACE, JTI)
    owner = server.get(key)
    assert len(owner) == 12
    assert server.delete(key)
    call(cache, "reserve", JTI, namespace=NAMESPACE)
    assert server.get(key) != owner


def test_neither_jti_nor_namespace_is_sent_to_the_server(
    call: Call, use_redis: UseRedis, proxy: LossyProxy
) -> None:
    cache = use_redis(proxy.url)
    proxy.lose(among=every_request)
    reservation = call(cache, "reserve", JTI, namespace=NAMESPACE)
    call(cache, "reserve", JTI, namespace=NAMESPACE)
    call(reservation, "release")
    call(cache, "release", JTI, namespace=NAMESPACE)
    sent = b"".join(proxy.requests)
    assert jti_digest(NAMESPACE, JTI) in sent
    assert JTI.encode() not in sent
    assert NAMESPACE.encode() not in sent


@pytest.mark.parametrize("seconds", [0, 1000.25])
def test_the_server_lets_the_key_expire_at_the_shown_moment(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis, seconds: float
) -> None:
    cache = use_redis(redis_url, TTL=50)
    expires_at = time.time() + seconds
    earliest = max(time.time() + 50, expires_at + 1)
    reservation = call(cache, "reserve", "a", expires_at)
    [key] = server.keys()
    ends = time.time() + server.pttl(key) / 1000
    assert earliest <= ends < earliest + 1
    assert reservation.expires_at.timestamp() == pytest.approx(ends, abs=0.3, rel=0)


@pytest.mark.parametrize("script", [RESERVE, RESERVE_IF_WARM])
def test_a_reserve_that_is_sent_again_expires_as_the_first_one(
    script: Script, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    """As when its reply was lost. The owner is written once more."""
    use_redis(redis_url)
    keys = ("entry", "marker") if script is RESERVE_IF_WARM else ("entry",)
    server.set("marker", 1)
    for lifetime in (60_000, 90_000):
        arguments = ("owner", lifetime, 2)[: len(keys) + 1]
        assert server.eval(script.source, len(keys), *keys, *arguments) == 1
    assert 0 < server.pttl("entry") <= 60_000


def test_an_entry_may_live_to_the_end_of_time(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(redis_url)
    assert call(cache, "reserve", "a", 253_402_300_799)
    assert server.pttl(server.keys()[0]) > 200_000_000_000_000


def test_a_ttl_of_nothing_still_makes_an_entry(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(redis_url, TTL=0)
    assert call(cache, "reserve", "a", 0)


def test_a_server_that_lost_its_scripts_is_given_them_again(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(redis_url)
    server.script_flush()
    reservation = call(cache, "reserve", "a")
    assert isinstance(reservation, Reservation)
    server.script_flush()
    assert call(cache, "reserve", "a") is None
    server.script_flush()
    assert call(reservation, "release") is True
    server.script_flush()
    assert call(cache, "release", "a") is False


def test_a_release_compares_the_owner_and_then_deletes(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(redis_url)
    reservation = call(cache, "reserve", "a")
    [key] = server.keys()
    mine = server.getset(key, b"another owner")
    assert call(reservation, "release") is False
    assert server.get(key) == b"another owner"
    server.set(key, mine)
    assert call(reservation, "release") is True
    assert not server.exists(key)


def test_two_prefixes_separate_two_sites(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    one = use_redis(redis_url, OPTIONS={"prefix": "one:"})
    reservation = call(one, "reserve", "a")
    other = use_redis(redis_url, OPTIONS={"prefix": "\u00e9:"})
    assert call(other, "reserve", "a")
    assert call(other, "release", "a") is True
    assert server.keys() == [b"one:" + jti_digest("", "a")]
    assert call(reservation, "release") is True


def test_the_key_prefix_and_the_serializer_of_django_do_not_matter(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    options = {
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        "COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
    }
    cache = use_redis(redis_url, options)
    assert call(cache, "reserve", "a")
    assert call(cache, "reserve", "a") is None
    assert server.keys() == [b"jti:" + jti_digest("", "a")]


def test_it_does_not_count(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(redis_url)
    call(cache, "reserve", "a")
    assert call(cache, "count") is None
