"""
A process that forks while its threads are busy.

``python -m tests.backends.memory.forking TIMES``

It prints what became of each child: "done" if it could use the cache, "stuck" if it could
not. It is a process of its own, so that nothing else is in it that a fork might upset.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings

import django
from django.conf import settings


def main(times: int) -> None:
    settings.configure(LOGGING_CONFIG=None, INSTALLED_APPS=["jti_replay"])
    django.setup()
    from jti_replay import replay_cache

    replay_cache.reserve("before")
    stopping = threading.Event()
    threads = [
        threading.Thread(target=keep_busy, args=(f"{name}", stopping)) for name in range(4)
    ]
    for thread in threads:
        thread.start()
    # Python warns of a fork beside threads, which is what is tried here.
    warnings.simplefilter("ignore", DeprecationWarning)
    outcome = "done"
    while times and outcome == "done":
        times -= 1
        outcome = fork()
        print(outcome)
    stopping.set()
    for thread in threads:
        thread.join()


def keep_busy(name: str, stopping: threading.Event) -> None:
    from jti_replay import replay_cache

    number = 0
    while not stopping.is_set():
        reservation = replay_cache.reserve(f"{name} {number}", namespace="x" * 5000)
        assert reservation
        reservation.release()
        number += 1


def fork() -> str:
    from jti_replay import replay_cache

    pid = os.fork()
    if pid == 0:
        for number in range(300):
            reservation = replay_cache.reserve(f"child {number}")
            if reservation is None or not reservation.release():
                os._exit(1)
        os._exit(0)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return "done" if status == 0 else f"failed with {status}"
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "stuck"


if __name__ == "__main__":
    main(int(sys.argv[1]))
