"""With ``replicas``, a reservation counts only when so many replicas have it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import redis

from jti_replay import CacheError, ColdStart, Reservation
from jti_replay.backends.redis import RedisCache
from jti_replay.backends.redis.options import RedisOptions
from jti_replay.backends.redis.replicas import TooFewReplicas, wait_command
from jti_replay.reservation.digests import jti_digest
from tests.backends.conftest import Call, UseRedis
from tests.backends.waiting import wait_until
from tests.servers.lossy_proxy import LossyProxy, every_request
from tests.servers.proxy import Loss
from tests.servers.redis import RedisProcess
from tests.servers.replication import is_followed
from tests.stopwatch import takes_at_most

KEY = b"jti:" + jti_digest("", "a")
OPTIONS = {"replicas": 1, "replica_timeout": 0.1, "timeout": 1.5}
PATIENT = {"replicas": 1, "replica_timeout": 0.5, "timeout": 1.8}
"""Where the replica is to acknowledge, on a busy machine, too."""


class Pair(NamedTuple):
    """A primary and its replica."""

    primary: RedisProcess
    replica: RedisProcess

    def on_replica(self, key: bytes) -> bool:
        with self.replica.client() as client:
            return bool(client.exists(key))

    def on_primary(self, key: bytes) -> bool:
        with self.primary.client() as client:
            return bool(client.exists(key))


@pytest.fixture(scope="module")
def started(redis_server: str) -> Iterator[Pair]:
    with RedisProcess(redis_server) as primary:
        follow = ["--replicaof", "127.0.0.1", str(primary.port)]
        with RedisProcess(redis_server, *follow) as replica, primary.client() as client:
            deadline = time.monotonic() + 10
            while not is_followed(client, 1):
                assert time.monotonic() < deadline
            yield Pair(primary, replica)


@pytest.fixture
def pair(started: Pair) -> Iterator[Pair]:
    with started.primary.client() as client:
        while not is_followed(client, 1):
            pass
        client.script_flush()
    yield started
    started.replica.resume()


@pytest.fixture
def lossy(pair: Pair) -> Iterator[LossyProxy]:
    """A proxy in front of the primary."""
    with LossyProxy(pair.primary.port) as proxy:
        yield proxy


def test_what_is_reserved_is_on_the_replica(
    call: Call, use_redis: UseRedis, pair: Pair
) -> None:
    cache = use_redis(pair.primary.url, OPTIONS=PATIENT)
    assert cache.check() == []
    for _ in range(20):
        reservation = call(cache, "reserve", "a")
        assert isinstance(reservation, Reservation)
        assert pair.on_replica(KEY)
        assert call(cache, "reserve", "a") is None
        assert call(reservation, "release") is True


def test_it_is_one_round_trip(call: Call, use_redis: UseRedis, lossy: LossyProxy) -> None:
    """And a release waits for nobody: one that is forgotten costs the client a new token."""
    cache = use_redis(lossy.url, OPTIONS=PATIENT)
    call(call(cache, "reserve", "warm"), "release")
    lossy.lose(among=every_request)
    reservation = call(cache, "reserve", "a")
    assert len(lossy.requests) == 1
    assert b"WAIT" in lossy.requests[0]
    assert b"MULTI" not in lossy.requests[0]
    assert call(reservation, "release") is True
    assert len(lossy.requests) == 2
    assert b"WAIT" not in lossy.requests[1]


def test_without_enough_replicas_nothing_is_left_behind(
    call: Call, use_redis: UseRedis, pair: Pair
) -> None:
    """So that a retry of the client wins as soon as they are back."""
    cache = use_redis(pair.primary.url, OPTIONS=OPTIONS)
    pair.replica.pause()
    for _ in range(2):
        with (
            takes_at_most(1.5, at_least=0.1),
            pytest.raises(CacheError, match="0 of 1 replicas") as caught,
        ):
            call(cache, "reserve", "a")
        assert isinstance(caught.value.__cause__, TooFewReplicas)
        assert not pair.on_primary(KEY)
    pair.replica.resume()
    wait_until(lambda: call(cache, "reserve", "a"))
    assert pair.on_replica(KEY)


def test_more_replicas_than_there_are_is_an_error(
    call: Call, use_redis: UseRedis, pair: Pair
) -> None:
    cache = use_redis(pair.primary.url, OPTIONS=OPTIONS | {"replicas": 2})
    with pytest.raises(CacheError, match="1 of 2 replicas"):
        call(cache, "reserve", "a")
    assert not pair.on_primary(KEY)


def test_a_seen_jti_needs_no_replica(call: Call, use_redis: UseRedis, pair: Pair) -> None:
    """Nor does a release."""
    cache = use_redis(pair.primary.url, OPTIONS=PATIENT)
    reservation = call(cache, "reserve", "a")
    pair.replica.pause()
    assert call(cache, "reserve", "a") is None
    assert call(reservation, "release") is True


@pytest.mark.parametrize(
    ("loss", "cold_start"),
    [
        ("drop request", "accept"),
        ("cut request", "refuse"),
        ("drop reply", "refuse"),
        ("cut reply", "accept"),
    ],
)
def test_after_one_lost_message_the_jti_is_reserved_once(
    loss: Loss,
    cold_start: str,
    call: Call,
    use_redis: UseRedis,
    lossy: LossyProxy,
    pair: Pair,
) -> None:
    cache = use_redis(lossy.url, OPTIONS=PATIENT, COLD_START=cold_start)
    since = call(cache, "start_memory") + 1
    assert call(cache, "reserve", "warm", usable_since=since)
    lossy.lose(loss)
    reservation = call(cache, "reserve", "a", usable_since=since)
    assert lossy.lost == 1
    assert pair.on_replica(KEY)
    assert call(cache, "reserve", "a", usable_since=since) is None
    assert call(reservation, "release") is True


@pytest.mark.parametrize("loss", ["drop reply", "cut reply"])
def test_a_second_attempt_does_not_take_the_first_one_for_acknowledged(
    loss: Loss, call: Call, use_redis: UseRedis, lossy: LossyProxy, pair: Pair
) -> None:
    """WAIT counts for its own connection, and the entry was written on another one."""
    cache = use_redis(lossy.url, OPTIONS=PATIENT | {"replica_timeout": 0.1})
    assert call(cache, "reserve", "warm")
    pair.replica.pause()
    lossy.lose(loss)
    with pytest.raises(CacheError, match="0 of 1 replicas"):
        call(cache, "reserve", "a")
    assert lossy.lost == 1
    assert not pair.on_primary(KEY)


def test_a_second_attempt_leaves_the_deadline_as_it_is(
    call: Call, use_redis: UseRedis, lossy: LossyProxy, pair: Pair
) -> None:
    cache = use_redis(lossy.url, OPTIONS=PATIENT, TTL=50)
    assert call(cache, "reserve", "warm")
    lossy.lose("drop reply")
    reservation = call(cache, "reserve", "a")
    with pair.primary.client() as client:
        ends = time.time() + client.pttl(KEY) / 1000
    assert ends <= reservation.expires_at.timestamp() + 0.4


def test_what_cannot_be_taken_back_at_once_is_taken_back_later(
    call: Call, use_redis: UseRedis, lossy: LossyProxy, pair: Pair
) -> None:
    """Until then it stands, which is on the safe side."""
    cache = use_redis(lossy.url, OPTIONS=OPTIONS)
    wait_until(lambda: call(call(cache, "reserve", "a"), "release"))
    pair.replica.pause()
    lossy.lose(None, "cut request", "cut request", "cut request")
    with pytest.raises(CacheError, match="0 of 1 replicas"):
        call(cache, "reserve", "a")
    assert pair.on_primary(KEY)
    deadline = time.monotonic() + 10
    while pair.on_primary(KEY):
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_a_task_that_is_cancelled_while_it_takes_back_leaves_nothing(
    use_redis: UseRedis, lossy: LossyProxy, pair: Pair
) -> None:
    """The replicas are too few, and the release that follows is not waited for."""
    cache = use_redis(lossy.url, OPTIONS=OPTIONS | {"timeout": 6})
    while not await cache.areserve("warm"):
        await cache.arelease("warm")
    pair.replica.pause()
    lossy.lose(None, "drop request")
    task = asyncio.create_task(cache.areserve("a"))
    await asyncio.to_thread(eventually, lambda: lossy.lost == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(eventually, lambda: not pair.on_primary(KEY))
    await cache.aclose()


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("seconds", "milliseconds"), [(0.1, 100), (0.0004, 1), (2.5, 2500)])
def test_replicas_are_waited_for_in_milliseconds(seconds: float, milliseconds: int) -> None:
    """At least one: to WAIT, 0 means without end."""
    assert wait_command(2, seconds) == ("WAIT", 2, milliseconds)


def test_a_server_that_does_not_wait_is_an_error(
    call: Call, use_redis: UseRedis, pair: Pair
) -> None:
    """And leaves nothing behind, too."""
    with pair.primary.client() as admin:
        admin.execute_command("ACL SETUSER hasty on >pass ~* &* +@all -wait")
    url = pair.primary.url.replace("//", "//hasty:pass@")
    with pytest.raises(CacheError) as caught:
        call(use_redis(url, OPTIONS=OPTIONS), "reserve", "a")
    assert isinstance(caught.value.__cause__, redis.exceptions.NoPermissionError)
    assert not pair.on_primary(KEY)


def test_a_cold_start_is_told_from_a_want_of_replicas(
    call: Call, use_redis: UseRedis, pair: Pair
) -> None:
    cache = use_redis(pair.primary.url, OPTIONS=OPTIONS, COLD_START="refuse")
    with pytest.raises(ColdStart):
        call(cache, "reserve", "a", usable_since=time.time() - 9)
    pair.replica.pause()
    with pytest.raises(CacheError, match="0 of 1 replicas"):
        call(cache, "reserve", "a", usable_since=time.time() + 9)
    assert not pair.on_primary(KEY)


@pytest.mark.parametrize("name", ["reserve", "release"])
def test_a_primary_that_is_paused_is_an_error_in_time(
    name: str, call: Call, use_redis: UseRedis, pair: Pair
) -> None:
    cache = use_redis(pair.primary.url, OPTIONS=OPTIONS | {"timeout": 0.6})
    wait_until(lambda: call(cache, "reserve", "warm"))
    pair.primary.pause()
    try:
        with takes_at_most(0.6), pytest.raises(CacheError):
            call(cache, name, "a")
    finally:
        pair.primary.resume()
    assert call(cache, "release", "warm") is True


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({"replicas": 1}, []),
        ({"replicas": 0, "replica_timeout": 30}, []),
        ({"replicas": 3, "timeout": 3, "replica_timeout": 0.9}, []),
        ({"replicas": -1}, ["E014"]),
        ({"replicas": True}, ["E001"]),
        ({"replicas": 1.0}, ["E001"]),
        ({"replicas": None}, ["E001"]),
        ({"replica_timeout": 0}, ["E014"]),
        ({"replica_timeout": False}, ["E001"]),
        ({"replica_timeout": -1}, ["E007"]),
        ({"replica_timeout": "1"}, ["E001"]),
        ({"replicas": 1, "replica_timeout": 0.3}, ["E027"]),
        ({"replicas": 1, "timeout": 0.3}, ["E027"]),
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
    options = {"timeout": RedisOptions().timeout} | options
    messages = RedisCache("default", {"OPTIONS": options}).check()
    assert [message.id for message in messages] == [f"jti_replay.{id_}" for id_ in ids]
    assert all(message.hint for message in messages)
