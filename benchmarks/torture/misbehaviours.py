"""
The ways in which the tortured site misbehaves inside a request, if the request asks for it.

Each function stands for the work of a view that misbehaves, and says so by setting
``request.misbehaved``. Those of receivers and of waits are installed in each worker.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import Error, OperationalError, connections, transaction
from django.db.transaction import get_connection
from django.http import HttpRequest
from exchange.models import AuditRow
from exchange.work import WorkFailed

from jti_replay import replay_cache, replay_caches, signals

from . import setups
from .databases import LOCKS
from .transport import WAIT

DEADLOCK = 1213
RECEIVER_FAILS = 0.2
"""The share of signals without a request whose receiver fails."""

HIDDEN_COMMITS: dict[str, tuple[Callable[[Any], object], ...]] = {
    "sqlite": (
        lambda cursor: cursor.executescript("SELECT 1;"),
        lambda cursor: cursor.execute("COMMIT"),
        lambda cursor: cursor.db.connection.commit(),
    ),
    "postgresql": (
        lambda cursor: cursor.execute("COMMIT"),
        lambda cursor: cursor.execute("COMMIT; BEGIN"),
        lambda cursor: cursor.db.connection.commit(),
    ),
    "mysql": (
        lambda cursor: cursor.execute("CREATE TABLE IF NOT EXISTS torture_ddl (n INTEGER)"),
        lambda cursor: cursor.execute("COMMIT"),
        lambda cursor: cursor.db.connection.commit(),
    ),
}


def is_asked(request: HttpRequest) -> bool:
    """Return whether a request asks the site to misbehave."""
    return request.POST.get("misbehave") == "1"


def write(request: Any) -> None:
    """Do the work of a request: write its row, as the example project does."""
    AuditRow.objects.create(subject="torture", jti=request.jwt_claims["jti"])


def work(request: Any, fault: str) -> None:
    """Do the work of a request, and misbehave if it asks for it."""
    if is_asked(request) and fault in WORK:
        WORK[fault](request)
    else:
        write(request)


def work_after_commit(request: Any) -> None:
    """Ask the database nothing, so that the view notices nothing of a doomed transaction."""
    transaction.on_commit(partial(write, request))


def commit_behind_django(request: Any) -> None:
    """Commit the work in a way of which Django knows nothing, and then fail or not."""
    write(request)
    cursor = get_connection().cursor()
    random.choice(HIDDEN_COMMITS[cursor.db.vendor])(cursor)
    request.misbehaved = True
    if random.random() < 0.7:
        raise WorkFailed("after a hidden commit")


def fork(request: Any) -> None:
    """Fork a child that uses the cache, beside the threads of other requests."""
    write(request)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if _reserves_once() else 1
        finally:
            os._exit(code)
    request.misbehaved = True
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if status:
                raise RuntimeError("the forked child could not use the cache")
            return
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    request.hung = True


def _reserves_once() -> bool:
    inherited = connections["default"]  # It is the parent's, and stays open for that.
    del connections["default"]
    jti = f"{os.getpid()} {time.monotonic()}"
    expires_at = time.time() + 60
    first = replay_cache.reserve(jti, expires_at, namespace="forks", usable_since=time.time())
    second = replay_cache.reserve(jti, expires_at, namespace="forks", usable_since=time.time())
    del inherited
    return first is not None and second is None


def try_again_after_deadlock(request: Any) -> None:
    """Work with two rows in any order, and after a deadlock once more in the same block."""
    locks = random.sample((1, 2), 2)
    for _ in range(3):
        try:
            write(request)
            with get_connection().cursor() as cursor:
                for lock in locks:
                    cursor.execute(f"UPDATE {LOCKS} SET n = n + 1 WHERE id = {lock}")
                    time.sleep(0.004)
        except OperationalError as error:
            if error.args[0] != DEADLOCK:
                raise
            request.misbehaved = True
        else:
            return


WORK: dict[str, Callable[[Any], None]] = {
    setups.RECEIVERS_FAIL: work_after_commit,
    setups.HIDDEN_COMMITS: commit_behind_django,
    setups.WORKERS_FORK: fork,
    setups.DEADLOCKS: try_again_after_deadlock,
}


def install(fault: str) -> None:
    """Let this worker misbehave outside its views, too."""
    if fault == setups.RECEIVERS_FAIL:
        for signal in (
            signals.jti_reserved,
            signals.jti_replayed,
            signals.jti_released,
            signals.cache_failed,
            signals.transaction_rolled_back,
        ):
            signal.connect(_fail)
    if fault == setups.REQUESTS_WAIT:
        _let_reserves_wait()


def _fail(request: Any = None, **kwargs: Any) -> None:
    if request is None and random.random() > RECEIVER_FAILS:
        return
    if request is not None and not is_asked(request):
        return
    if request is not None:
        request.misbehaved = True
    way = random.randrange(4)
    if way == 0:
        raise RuntimeError("a receiver that raises")
    if way == 1 and get_connection().in_atomic_block:
        transaction.set_rollback(True)
        return
    try:
        get_connection().cursor().execute("SELECT 1 FROM no_such_table")
    except Error:
        if way == 2:
            raise


def _let_reserves_wait() -> None:
    kind = type(replay_caches["default"])
    reserve = kind.reserve

    def reserve_later(self: Any, *arguments: Any, request: Any = None, **named: Any) -> Any:
        if wait := float(request.POST.get("wait", 0)):
            request.misbehaved = True
            time.sleep(wait)
        return reserve(self, *arguments, request=request, **named)

    kind.reserve = reserve_later  # type: ignore[method-assign]
