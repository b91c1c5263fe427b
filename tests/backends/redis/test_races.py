"""Of any number of threads and processes that reserve a jti at once, exactly one wins."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import redis

from tests.backends import racer
from tests.backends.conftest import UseRedis

JTIS = 500


def test_threads_that_race_have_one_winner_for_each_jti(
    use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(redis_url, OPTIONS={"timeout": 5})
    start = threading.Barrier(32)

    def race(thread: int) -> list[int]:
        start.wait()
        return [jti for jti in range(JTIS) if cache.reserve(f"{jti}")]

    with ThreadPoolExecutor(32) as executor:
        wins = Counter(jti for won in executor.map(race, range(32)) for jti in won)
    assert wins == dict.fromkeys(range(JTIS), 1)


def test_processes_that_race_have_one_winner_for_each_jti(
    redis_url: str, server: redis.Redis
) -> None:
    command = [sys.executable, "-m", racer.__name__, redis_url, str(JTIS), "4"]
    racers = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # Each replay is a line of its log.
            text=True,
        )
        for _ in range(8)
    ]
    for process in racers:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in racers:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].split() for process in racers]
    assert [process.returncode for process in racers] == [0] * 8
    assert Counter(jti for won in answers for jti in won) == {f"{n}": 1 for n in range(JTIS)}


def test_more_threads_than_redis_py_has_connections_for_all_get_an_answer(
    use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    """Its pools hold a hundred, and fail the next one."""
    cache = use_redis(redis_url, OPTIONS={"timeout": 5})
    start = threading.Barrier(150)

    def race(thread: int) -> int:
        start.wait()
        return len([jti for jti in range(3) if cache.reserve(f"{jti}")])

    with ThreadPoolExecutor(150) as executor:
        assert sum(executor.map(race, range(150))) == 3
