"""A forked child has connections, locks and a list of lost replies of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import redis

from tests.backends.conftest import UseRedis
from tests.servers.lossy_proxy import LossyProxy


def in_child(work: Callable[[], bool]) -> bool:
    """Return what a forked child finds, which has ten seconds for it."""
    child = os.fork()
    if not child:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise AssertionError("The child hangs.")


def test_a_child_uses_no_connection_of_its_parent(
    use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    """Or each would read the replies of the other."""
    cache = use_redis(f"{redis_url}?client_name=forked")
    assert cache.reserve("parent")

    def work() -> bool:
        seen = cache.reserve("parent") is None
        held = cache.reserve("child")
        names = [client["name"] for client in server.client_list()]
        return seen and held is not None and held.release() and names.count("forked") == 2

    assert in_child(work)
    assert cache.reserve("child")


def test_a_child_does_not_wait_for_locks_of_lost_threads(
    use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    """Threads other than the one that forks are not there to release them."""
    cache: Any = use_redis(redis_url)
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with cache._clients._lock, cache._entries.lost_replies._lock:
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def work() -> bool:
        cache._entries.lost_replies.add(b"key", b"owner", time.time() + 60)
        return cache.reserve("a") is not None

    try:
        assert in_child(work)
    finally:
        over.set()
        thread.join()


def test_a_child_takes_back_its_own_lost_replies_alone(
    use_redis: UseRedis, proxy: LossyProxy, server: redis.Redis
) -> None:
    """The thread that does so is the parent's, which goes on with its own."""
    cache: Any = use_redis(proxy.url, OPTIONS={"timeout": 0.6})
    lost = cache._entries.lost_replies
    proxy.lose_all("drop reply")
    lost.add(b"parent's", b"owner", time.time() + 60)

    def work() -> bool:
        lost.add(b"child's", b"another owner", time.time() + 60)
        return [*lost._lost] == [b"another owner"] and lost._thread.is_alive()

    assert in_child(work)
    assert [*lost._lost] == [b"owner"]
    cache.close()
