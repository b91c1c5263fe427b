"""The cache in Redis on event loops: native, and with nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from jti_replay import Reservation
from jti_replay.backends.base import BaseReplayCache
from tests.backends.conftest import UseRedis

NAME = "of-event-loops"


@pytest.fixture
def cache(use_redis: UseRedis, redis_url: str) -> BaseReplayCache:
    options = {"CONNECTION_POOL_KWARGS": {"client_name": NAME}}
    # On a busy machine many tasks that race may wait.
    return use_redis(redis_url, options, OPTIONS={"timeout": 5})


def connections(server: redis.Redis) -> int:
    return [client["name"] for client in server.client_list()].count(NAME)


def assert_all_close(server: redis.Redis) -> None:
    """The server notices a moment later."""
    deadline = time.monotonic() + 5
    while connections(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert connections(server) == 0


async def test_no_thread_is_used(cache: BaseReplayCache, server: redis.Redis) -> None:
    before = set(threading.enumerate())  # Those of earlier tests may end meanwhile.
    reservation = await cache.areserve("a")
    assert isinstance(reservation, Reservation)
    assert await cache.areserve("a") is None
    assert await reservation.arelease() is True
    assert await cache.arelease("a") is False
    await cache.aclose()
    assert set(threading.enumerate()) <= before


async def test_the_event_loop_goes_on_while_a_call_waits(
    cache: BaseReplayCache, server: redis.Redis
) -> None:
    await cache.areserve("warm")
    server.client_pause(200)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    assert await cache.areserve("a")
    ticking.cancel()
    assert ticks >= 8


async def test_many_tasks_succeed_at_once(cache: BaseReplayCache, server: redis.Redis) -> None:
    answers = await asyncio.gather(*(cache.areserve(f"{number}") for number in range(300)))
    assert all(answers)
    assert connections(server) <= 50
    answers = await asyncio.gather(
        *(cache.areserve(f"{number % 300}") for number in range(900))
    )
    assert set(answers) == {None}
    await cache.aclose()


async def test_tasks_that_race_for_a_jti_have_one_winner(
    cache: BaseReplayCache, server: redis.Redis
) -> None:
    tasks = [(number, cache.areserve(f"{number}")) for number in range(50) for _ in range(6)]
    answers = await asyncio.gather(*(task for _, task in tasks))
    wins = Counter(number for (number, _), answer in zip(tasks, answers, strict=True) if answer)
    assert wins == dict.fromkeys(range(50), 1)
    await cache.aclose()


def test_connections_close_when_their_event_loop_ends(
    cache: BaseReplayCache, server: redis.Redis
) -> None:
    """Or else each would warn that it was not closed."""

    async def work(loop: int) -> None:
        answers = await asyncio.gather(*(cache.areserve(f"{loop} {n}") for n in range(10)))
        assert all(answers)
        assert connections(server) > 1

    for loop in range(3):
        asyncio.run(work(loop))
        assert_all_close(server)
    gc.collect()


def test_an_event_loop_reuses_its_connection(
    cache: BaseReplayCache, server: redis.Redis
) -> None:
    async def work() -> None:
        for number in range(20):
            assert await cache.areserve(f"{number}")
        assert connections(server) == 1

    asyncio.run(work())


def test_event_loops_of_many_threads_do_not_share_connections(
    cache: BaseReplayCache, server: redis.Redis
) -> None:
    async def work(thread: int) -> int:
        won = 0
        for number in range(20):
            won += bool(await cache.areserve(f"{number}"))
            assert await cache.areserve(f"{thread} {number}")
        return won

    with ThreadPoolExecutor(8) as executor:
        won = sum(executor.map(lambda thread: asyncio.run(work(thread)), range(24)))
    assert won == 20
    assert_all_close(server)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_event_loop_that_was_not_shut_down_well_is_let_go(
    cache: BaseReplayCache, server: redis.Redis
) -> None:
    """Its connections go with it, with a warning, and the next loop has its own."""
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(cache.areserve("a"))
    loop.close()
    gone = weakref.ref(loop)
    del loop
    assert asyncio.run(cache.areserve("a")) is None
    gc.collect()
    assert gone() is None
    assert_all_close(server)


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_event_loops_that_are_dropped_leave_no_connection(
    cache: BaseReplayCache, server: redis.Redis
) -> None:
    """Python closes such a loop when it collects it, and its connections go with it."""
    for number in range(5):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(cache.areserve(f"{number}"))
        del loop
    gc.collect()
    assert_all_close(server)


def test_threads_and_event_loops_see_the_same(
    cache: BaseReplayCache, server: redis.Redis
) -> None:
    reservation = cache.reserve("a")
    assert isinstance(reservation, Reservation)
    assert asyncio.run(cache.areserve("a")) is None
    assert asyncio.run(reservation.arelease()) is True
    mine = asyncio.run(cache.areserve("a"))
    assert isinstance(mine, Reservation)
    assert cache.reserve("a") is None
    assert mine.release() is True


async def test_a_change_of_settings_leaves_the_connections_to_the_end_of_the_loop(
    use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    """If they were collected as garbage, each would warn that it was not closed."""
    assert await use_redis(redis_url).areserve("a")
    assert await use_redis(redis_url).areserve("a") is None
    gc.collect()
