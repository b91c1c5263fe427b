"""Commands are packed by hiredis, or without it by redis-py."""

from __future__ import annotations

import subprocess
import sys

import hiredis
import pytest
import redis

from jti_replay.backends.redis.transport import packing
from tests.backends.conftest import Call, UseRedis


@pytest.mark.parametrize("has_hiredis", [True, False])
def test_it_works_with_and_without_hiredis(
    has_hiredis: bool,
    call: Call,
    use_redis: UseRedis,
    server: redis.Redis,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not has_hiredis:
        monkeypatch.setattr(packing, "hiredis", None)
    cache = use_redis(redis_url, OPTIONS={"prefix": "jüti:"}, COLD_START="refuse")
    call(cache, "start_memory")
    reservation = call(cache, "reserve", "a", usable_since=2**32)
    assert call(cache, "reserve", "a", usable_since=2**32) is None
    assert call(reservation, "release") is True
    assert call(cache, "reserve", "a", usable_since=2**32)


INTERRUPTED = """
import random, signal
from jti_replay.backends.redis.transport.packing import packed

class TimeLimit(Exception):
    pass

def strike(*_):
    raise TimeLimit

signal.signal(signal.SIGALRM, strike)
command = ("EVALSHA", "0" * 40, 1, b"a key", b"an owner", 300_001)
for _ in range(3000):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.0003))
        while True:
            packed([command], None)
    except TimeLimit:
        pass
"""


def test_a_time_limit_does_not_crash_the_process() -> None:
    """Hiredis does not notice that the text of a number could not be made."""
    assert hiredis.pack_command((1,)) == packing.packed([(1,)], None)[0]
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
