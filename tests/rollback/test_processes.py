"""What processes do to a transaction: they fork, and they are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections, transaction

from jti_replay import release_on_rollback, replay_cache
from jti_replay.rollback import ledger

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    # A thread of an async test may still be idling.
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
    # Its memory would not show what a child did.
    pytest.mark.usefixtures("redis_cache"),
]


UNWOUND = 7


class ChildFailed(Exception):
    pass


def fork_and_raise_in_child() -> None:
    """Fork, and let an exception unwind the block in the child alone."""
    child = os.fork()
    if child == 0:
        raise ChildFailed
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == UNWOUND


@contextmanager
def end_of_child() -> Iterator[None]:
    """Let a child end here, when it has unwound what the parent is about to end."""
    parent = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != parent:
            os._exit(UNWOUND if isinstance(error, ChildFailed) else 1)
        raise


def test_a_child_that_unwinds_the_block_leaves_the_reservation_to_its_parent(
    using: str,
) -> None:
    with end_of_child(), transaction.atomic(using):
        assert release_on_rollback(replay_cache.reserve("a"), using)
        fork_and_raise_in_child()
        assert replay_cache.reserve("a") is None
    assert replay_cache.reserve("a") is None


# Not on PostgreSQL: there the child has its parent's session, and drops its savepoint.
@pytest.mark.parametrize("using", ["default", "memory"])
def test_a_child_that_unwinds_a_savepoint_leaves_the_reservation_to_its_parent(
    using: str,
) -> None:
    with transaction.atomic(using), end_of_child(), transaction.atomic(using):
        assert release_on_rollback(replay_cache.reserve("a"), using)
        fork_and_raise_in_child()
        assert replay_cache.reserve("a") is None
    assert replay_cache.reserve("a") is None


def test_a_parent_that_rolls_back_after_its_child_gives_the_token_back(using: str) -> None:
    with end_of_child(), transaction.atomic(using):
        assert release_on_rollback(replay_cache.reserve("a"), using)
        fork_and_raise_in_child()
        assert replay_cache.reserve("a") is None
        transaction.set_rollback(True, using=using)
    assert replay_cache.reserve("a")


def test_a_child_may_bind_reservations_of_its_own() -> None:
    with end_of_child(), transaction.atomic():
        assert release_on_rollback(replay_cache.reserve("the parent's"))
        child = os.fork()
        if child == 0:
            assert release_on_rollback(replay_cache.reserve("the child's"))
            connections["default"].close()
            assert replay_cache.reserve("the child's")
            assert replay_cache.reserve("the parent's") is None
            raise ChildFailed
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == UNWOUND
    assert replay_cache.reserve("the parent's") is None


def test_what_hangs_on_a_transaction_is_known_by_the_process_that_bound_it(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows where coverage is measured, unlike in a child that ends at once."""
    with transaction.atomic(using):
        assert release_on_rollback(replay_cache.reserve("a"), using)
        with monkeypatch.context() as patch:
            patch.setattr(ledger.os, "getpid", lambda: -1)
            connections[using].savepoint()
        transaction.set_rollback(True, using=using)
    assert replay_cache.reserve("a") is None


KILLED = """
import os, signal, sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["jti_replay"],
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": sys.argv[1]}},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[2]}},
    JTI_REPLAY={"CACHES": {"default": {"BACKEND": "jti_replay.backends.redis.RedisCache"}}},
)
django.setup()
from django.db import connection, transaction
from jti_replay import release_on_rollback, replay_cache
with transaction.atomic():
    connection.cursor().execute("CREATE TABLE work (name text)")
    assert release_on_rollback(replay_cache.reserve("a", float(sys.argv[3])))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_leaves_its_token_used_up_until_it_expires(
    redis_url: str, tmp_path: Any
) -> None:
    from django_redis import get_redis_connection

    expires_at = time.time() + 1000
    command = [sys.executable, "-c", KILLED, redis_url, tmp_path / "db", str(expires_at)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert replay_cache.reserve("a") is None
    redis = get_redis_connection()
    (key,) = redis.keys()
    left = expires_at - time.time()
    assert left < redis.ttl(key) <= left + 3
