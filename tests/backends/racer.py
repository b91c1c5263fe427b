"""
A process that races for jtis: ``python -m tests.backends.racer URL COUNT THREADS``.

It says "ready", waits for a line on its standard input, and prints the jtis that it won.
"""

from __future__ import annotations

import os
import sys
import threading

import django
from django.conf import settings


def main(url: str, count: int, threads: int) -> None:
    settings.configure(
        LOGGING_CONFIG=None,
        INSTALLED_APPS=["jti_replay"],
        CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url}},
        JTI_REPLAY={
            "CACHES": {
                "default": {
                    "BACKEND": "jti_replay.backends.redis.RedisCache",
                    "OPTIONS": {"timeout": 5},
                }
            }
        },
    )
    django.setup()
    from jti_replay import replay_cache

    os.nice(10)  # Tests that run beside this one have limits of time to keep.
    won: list[str] = []

    def race() -> None:
        won.extend(f"{jti}" for jti in range(count) if replay_cache.reserve(f"{jti}"))

    replay_cache.release("to connect")
    racers = [threading.Thread(target=race) for _ in range(threads)]
    print("ready", flush=True)
    sys.stdin.readline()
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    print(" ".join(won))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
