"""A failover behind a name or a proxy: open connections lead to the old primary."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
import redis

from jti_replay import CacheError
from jti_replay.backends.redis.transport.replies import is_from_replica
from tests.backends.conftest import Call, UseRedis
from tests.servers.redis import RedisProcess
from tests.servers.switch import Switch


class Failover(NamedTuple):
    """Two servers, and what leads to the one of them that is the primary."""

    old: RedisProcess
    new: RedisProcess
    front: Switch

    def happen(self) -> None:
        """Let new connections lead to the new primary. Those that are open stay."""
        self.front.target = self.new.port
        with self.old.client() as old:
            old.replicaof("127.0.0.1", self.new.port)
            deadline = time.monotonic() + 10
            while old.info("replication")["master_link_status"] != "up":
                assert time.monotonic() < deadline
                time.sleep(0.01)


@pytest.fixture
def failover(redis_server: str) -> Iterator[Failover]:
    with (
        RedisProcess(redis_server) as old,
        RedisProcess(redis_server) as new,
        Switch(old.port) as front,
    ):
        yield Failover(old, new, front)


@pytest.mark.parametrize("name", ["reserve", "release"])
def test_the_command_is_sent_once_more_on_a_new_one(
    name: str, call: Call, use_redis: UseRedis, failover: Failover
) -> None:
    """No request fails, and neither a reserve nor a release is answered by the old primary."""
    cache: Any = use_redis(failover.front.url)
    assert call(cache, "reserve", "before")
    failover.happen()
    if name == "reserve":
        assert call(cache, "reserve", "after")
        assert call(cache, "reserve", "after") is None
    else:
        assert call(cache, "release", "before") is False
    with failover.new.client() as new:
        assert new.dbsize() == (name == "reserve")


def test_no_connection_that_is_there_is_used_for_it(
    use_redis: UseRedis, failover: Failover
) -> None:
    """Many connections lead to the old primary, and any of them may be free."""
    cache = use_redis(failover.front.url)
    start = threading.Barrier(8)

    def work(thread: int) -> list[bool]:
        start.wait()
        return [cache.reserve(f"{thread} {number}") is not None for number in range(50)]

    with ThreadPoolExecutor(8) as executor:
        assert all(map(all, executor.map(work, range(8))))
        failover.happen()
        with failover.new.client() as new:
            new.flushall()
        assert all(map(all, executor.map(work, range(8))))


def test_a_server_that_stays_a_replica_is_an_error(
    call: Call, use_redis: UseRedis, failover: Failover
) -> None:
    """There are two attempts, not more, and nothing to take back."""
    cache: Any = use_redis(failover.front.url)
    assert call(cache, "reserve", "before")
    failover.happen()
    failover.front.target = failover.old.port
    with pytest.raises(CacheError, match="read only replica"):
        call(cache, "reserve", "a")
    assert not cache._entries.lost_replies._lost


@pytest.mark.parametrize(
    ("reply", "is_meant"),
    [
        (redis.ReadOnlyError("You can't write against a read only replica."), True),
        (redis.exceptions.MasterDownError("Link with MASTER is down"), True),
        (
            redis.ResponseError(
                "Error running script (call to f_0): @user_script:1: @user_script: 1: "
                "-READONLY You can't write against a read only replica."
            ),
            True,
        ),
        (redis.ResponseError("WRONGTYPE Operation against a key"), False),
        (b"-READONLY ", False),
        (1, False),
    ],
)
def test_what_a_replica_says_is_recognised(reply: object, is_meant: bool) -> None:
    """Redis 6.2 wraps it in the error of the script."""
    assert is_from_replica(reply) is is_meant
