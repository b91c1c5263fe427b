"""What a server carries out although nobody waits for it any more is taken back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from jti_replay import CacheError
from jti_replay.backends import lost_replies
from tests.backends.conftest import Call, UseRedis
from tests.backends.waiting import PATIENT
from tests.servers import free_port
from tests.servers.lossy_proxy import LossyProxy
from tests.servers.redis import RedisProcess

TIMEOUT = {"timeout": 0.6}


@pytest.fixture(autouse=True)
def _settle_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_replies, "SECOND_PASS_DELAY", 0.2)


def eventually(holds: Callable[[], Any], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def refused(reserve: Callable[..., Any], *args: Any) -> bool:
    """Reserve "a" in vain. A machine that stands still may not even have sent it."""
    with pytest.raises(CacheError):
        reserve(*args, "a")
    return True


def threads() -> int:
    return [thread.name for thread in threading.enumerate()].count("jti_replay.lost_replies")


def test_a_reserve_that_a_paused_server_carries_out_late_is_taken_back(
    call: Call, use_redis: UseRedis, redis_of_ones_own: RedisProcess
) -> None:
    cache = use_redis(redis_of_ones_own.url, OPTIONS=TIMEOUT)
    assert call(cache, "reserve", "warm")
    before = threads()
    redis_of_ones_own.pause()
    try:
        with pytest.raises(CacheError):
            call(cache, "reserve", "a")
    finally:
        redis_of_ones_own.resume()
    with redis.Redis(port=redis_of_ones_own.port) as client:
        eventually(lambda: threads() <= before and client.dbsize() == 1)
    assert call(cache, "reserve", "a")
    assert call(cache, "reserve", "warm") is None


def test_a_reserve_whose_replies_were_all_lost_is_taken_back(
    call: Call, use_redis: UseRedis, proxy: LossyProxy, server: redis.Redis
) -> None:
    cache = use_redis(proxy.url, OPTIONS=TIMEOUT)
    assert call(cache, "reserve", "warm")
    proxy.lose_all("drop reply")
    eventually(lambda: refused(call, cache, "reserve") and server.dbsize() == 2)
    proxy.lose()
    eventually(lambda: server.dbsize() == 1)
    patient = use_redis(proxy.url, OPTIONS=PATIENT)
    assert call(patient, "reserve", "warm") is None
    assert call(patient, "reserve", "a")


def test_it_is_not_taken_from_who_has_it_by_then(
    use_redis: UseRedis, proxy: LossyProxy, server: redis.Redis
) -> None:
    cache = use_redis(proxy.url, OPTIONS=TIMEOUT)
    before = threads()
    warm = cache.reserve("warm")
    assert warm
    assert warm.release()
    proxy.lose_all("drop reply")
    seen: list[Any] = []

    def is_seen() -> bool:
        seen.extend(server.keys())
        return bool(seen)

    eventually(lambda: refused(cache.reserve) and is_seen())
    key = seen[0]
    server.set(key, b"of somebody else")
    proxy.lose()
    eventually(lambda: threads() <= before)
    assert server.get(key) == b"of somebody else"


async def test_a_reserve_that_is_cancelled_is_taken_back(
    use_redis: UseRedis, proxy: LossyProxy, server: redis.Redis
) -> None:
    cache = use_redis(proxy.url, OPTIONS={"timeout": 5})
    await cache.areserve("warm")
    proxy.lose("drop reply")
    task = asyncio.create_task(cache.areserve("a"))
    await asyncio.to_thread(eventually, lambda: server.dbsize() == 2)
    await asyncio.sleep(0.1)  # Until it waits for the reply, and is no longer sending.
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(eventually, lambda: server.dbsize() == 1)
    assert await cache.areserve("a")
    await cache.aclose()


def test_a_server_that_is_not_there_leaves_nothing_to_take_back(
    call: Call, use_redis: UseRedis, redis_server: str
) -> None:
    cache = use_redis(f"redis://127.0.0.1:{free_port()}/0", OPTIONS=TIMEOUT)
    before = threads()
    with pytest.raises(CacheError):
        call(cache, "reserve", "a")
    assert threads() <= before


def test_a_socket_that_is_not_there_leaves_nothing_to_take_back(
    call: Call, use_redis: UseRedis
) -> None:
    """Nor does a host without a name or a network: nothing ever left this host."""
    cache: Any = use_redis("unix:///no/such/socket", OPTIONS=TIMEOUT)
    with pytest.raises(CacheError):
        call(cache, "reserve", "a")
    assert not cache._entries.lost_replies._lost


def test_a_handshake_that_fails_leaves_nothing_to_take_back(
    call: Call, use_redis: UseRedis, proxy: LossyProxy
) -> None:
    """The script was not sent yet."""
    cache: Any = use_redis(proxy.url.replace("/0", "/1"), OPTIONS=TIMEOUT)
    proxy.lose_all("drop reply")
    with pytest.raises(CacheError):
        call(cache, "reserve", "a")
    assert not cache._entries.lost_replies._lost


def test_a_server_that_says_no_leaves_nothing_to_take_back(
    call: Call, use_redis: UseRedis, redis_of_ones_own: RedisProcess
) -> None:
    cache = use_redis(redis_of_ones_own.url, OPTIONS=TIMEOUT)
    before = threads()
    with redis.Redis(port=redis_of_ones_own.port) as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(CacheError):
            call(cache, "reserve", "a")
        client.config_set("maxmemory", 0)
    assert threads() <= before
    assert call(cache, "reserve", "a")


def test_a_no_to_the_second_attempt_says_nothing_of_the_first(
    call: Call, use_redis: UseRedis, proxy: LossyProxy, server: redis.Redis
) -> None:
    cache = use_redis(proxy.url, OPTIONS={"timeout": 2})
    call(cache, "reserve", "warm")
    proxy.lose("drop reply")
    caught: list[CacheError] = []

    def reserve() -> None:
        with pytest.raises(CacheError) as raised:
            call(cache, "reserve", "a")
        caught.append(raised.value)

    thread = threading.Thread(target=reserve)
    thread.start()
    eventually(lambda: server.dbsize() == 2)
    server.config_set("maxmemory", 1)
    thread.join()
    server.config_set("maxmemory", 0)
    eventually(lambda: server.dbsize() == 1)
    assert call(cache, "reserve", "a")


def test_what_has_expired_meanwhile_is_left_alone(
    use_redis: UseRedis, proxy: LossyProxy
) -> None:
    cache: Any = use_redis(proxy.url, OPTIONS=TIMEOUT)
    before = threads()
    proxy.lose_all("drop reply")
    cache._entries.lost_replies.add(b"key", b"owner", time.time() - 1)
    eventually(lambda: threads() <= before)


def test_there_is_an_end_to_what_is_remembered(
    use_redis: UseRedis, proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache: Any = use_redis(proxy.url, OPTIONS=TIMEOUT)
    monkeypatch.setattr(lost_replies, "ROOM", 2)
    proxy.lose_all("drop reply")
    before = threads()
    for owner in (b"1", b"2", b"3"):
        cache._entries.lost_replies.add(b"key", owner, time.time() + 60)
    assert len(cache._entries.lost_replies._lost) == 2
    assert threads() > 0
    cache.close()
    eventually(lambda: threads() <= before)


def test_a_server_that_refuses_is_asked_again(
    use_redis: UseRedis, server: redis.Redis, redis_url: str
) -> None:
    cache: Any = use_redis(redis_url, OPTIONS=TIMEOUT)
    server.hset("key", "no", "string")  # GET of it is an error.
    cache._entries.lost_replies.add(b"key", b"owner", time.time() + 60)
    time.sleep(0.1)
    server.delete("key")
    server.set("key", "owner")
    eventually(lambda: server.dbsize() == 0)


def test_another_process_begins_a_list_of_its_own(
    use_redis: UseRedis, proxy: LossyProxy
) -> None:
    """A forked child has a copy of its parent's, which the parent goes on with."""
    cache: Any = use_redis(proxy.url, OPTIONS=TIMEOUT)
    proxy.lose_all("drop reply")
    replies = cache._entries.lost_replies
    replies.add(b"key", b"parent", time.time() + 60)
    replies._pid = -1
    replies.add(b"key", b"child", time.time() + 60)
    assert [*replies._lost] == [b"child"]
    cache.close()


def test_an_interrupted_start_leaves_nothing_behind(
    use_redis: UseRedis, server: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time limit that strikes while the thread is started does not keep it from its work."""
    cache: Any = use_redis(redis_url, OPTIONS=TIMEOUT)
    start, starts = threading.Thread.start, 0

    def interrupted(thread: threading.Thread) -> None:
        nonlocal starts
        starts += thread.name == "jti_replay.lost_replies"
        if starts == 1 and thread.name == "jti_replay.lost_replies":
            raise KeyboardInterrupt
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    server.set("key", "owner")
    with pytest.raises(KeyboardInterrupt):
        cache._entries.lost_replies.add(b"key", b"owner", time.time() + 60)
    eventually(lambda: server.dbsize() == 0)
