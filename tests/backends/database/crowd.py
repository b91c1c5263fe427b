"""
Processes that use one database: ``python -m tests.backends.database.crowd DATABASE TASK``.

DATABASE is an entry of DATABASES in JSON, and TASK "race" or "kill". They are forked from
one parent, so that they start fast. What came of it is printed in JSON.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import django
from django.conf import settings
from django.db import connection, transaction

RACERS = 8
JTIS = 500
VICTIMS = 200
AT_ONCE = 4
LONGEST_LIFE = 0.004
"""Seconds after its reserve for which a process lives at the most: commits take less."""


def main(database: dict[str, Any], task: str) -> None:
    settings.configure(
        LOGGING_CONFIG=None,
        INSTALLED_APPS=["jti_replay", "tests"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={"default": database},
        JTI_REPLAY={
            "CACHES": {
                "default": {
                    "BACKEND": "jti_replay.backends.database.DatabaseCache",
                    "OPTIONS": {"timeout": 20},
                }
            }
        },
    )
    django.setup()
    os.nice(10)  # Tests that run beside this one have limits of time to keep.
    warm_up()
    print(json.dumps({"race": race, "kill": kill}[task]()))


def warm_up() -> None:
    """Do once what each process would spend its time on, but for the connection."""
    from jti_replay import replay_cache
    from tests.models import Work

    with transaction.atomic():
        assert replay_cache.reserve("warm up")
        Work.objects.create(name="warm up")
        transaction.set_rollback(True)
    connection.close()
    gc.freeze()  # So that no process copies what it only looks at.


def fork(work: Callable[[int], None]) -> tuple[int, int]:
    """Run some work in a process. Return its id, and a file that it can write to."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writable)
        return pid, readable
    code = 1
    try:
        work(writable)
        connection.close()
        code = 0
    finally:
        os._exit(code)


def race() -> dict[str, list[list[str]]]:
    """Return what each process has won, without transactions and in them."""
    return {
        name: race_for([f"{name} {jti}" for jti in range(JTIS)], block)
        for name, block in (("alone", nullcontext), ("joined", transaction.atomic))
    }


def race_for(jtis: list[str], block: Callable[[], Any]) -> list[list[str]]:
    from jti_replay import replay_cache
    from tests.models import Work

    start, go = os.pipe()

    def work(output: int) -> None:
        os.read(start, 1)  # Ends for all of them at once.
        won = []
        for jti in jtis:
            with block():
                if replay_cache.reserve(jti):
                    Work.objects.create(name=jti)
                    won.append(jti)
        os.write(output, json.dumps(won).encode())

    racers = [fork(work) for _ in range(RACERS)]
    for _ in racers:
        os.write(go, b".")
    answers = [json.loads(read_all(output)) for _, output in racers]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, _ in racers]
    assert codes == [0] * RACERS, codes
    return answers


def kill() -> dict[str, Any]:
    """Return of which jtis the work was done, and which are taken, of processes killed."""
    from jti_replay import replay_cache
    from tests.models import Work

    def work_for(jti: str) -> Callable[[int], None]:
        def work(output: int) -> None:
            with transaction.atomic():
                assert replay_cache.reserve(jti)
                os.write(output, b".")
                Work.objects.create(name=jti)
                time.sleep(random.uniform(0, LONGEST_LIFE / 2))
            os.read(output_never, 1)

        return work

    output_never, _ = os.pipe()
    jtis = [f"victim {number}" for number in range(VICTIMS)]
    killed = 0
    for first in range(0, VICTIMS, AT_ONCE):
        victims = [fork(work_for(jti)) for jti in jtis[first : first + AT_ONCE]]
        for pid, output in victims:
            os.read(output, 1)
            time.sleep(random.uniform(0, LONGEST_LIFE))
            os.kill(pid, signal.SIGKILL)
            killed += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
            os.close(output)
    # Whoever reserves waits for the end of the transaction, where it has not been noticed.
    taken = [jti for jti in jtis if replay_cache.reserve(jti) is None]
    done = list(Work.objects.filter(name__in=jtis).values_list("name", flat=True))
    return {"killed": killed, "taken": taken, "done": done}


def read_all(file: int) -> bytes:
    with os.fdopen(file, "rb") as stream:
        return stream.read()


if __name__ == "__main__":
    if "mysql" in sys.argv[1]:
        import pymysql

        pymysql.install_as_MySQLdb()
    main(json.loads(sys.argv[1]), sys.argv[2])
