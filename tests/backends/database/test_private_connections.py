"""The cache's own database connections hold up nobody, and live without request signals."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.test import utils

from jti_replay import CacheError, release_on_rollback, replay_cache
from jti_replay.backends.database import connections as private_connections
from jti_replay.backends.database.connections import POOLED_MAX_AGE, PrivateConnections
from jti_replay.backends.database.purging import INTERVAL
from jti_replay.backends.database.test_run import is_test_run
from jti_replay.backends.database.time_limit import TimeLimit
from tests.backends.database.conftest import UseCache
from tests.backends.database.rival import LIMIT, in_thread
from tests.models import Work
from tests.rollback.blocks import failing_block
from tests.stopwatch import takes_at_most

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep idle connections as a site does, which is not in a test run."""
    monkeypatch.setattr(private_connections, "is_test_run", lambda: False)


@pytest.fixture
def options(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The OPTIONS of the connections that are made from now on."""
    connections[postgres].close()
    options: dict[str, Any] = {}
    monkeypatch.setitem(connections[postgres].settings_dict, "OPTIONS", options)
    yield options
    connections[postgres].close()


@pytest.fixture
def pool(postgres: str, options: dict[str, Any]) -> Iterator[int]:
    """The size of the pool from which Django's connections come."""
    options["pool"] = {"min_size": 2, "max_size": 2, "timeout": 5}
    yield 2
    connections[postgres].close()
    connections[postgres].close_pool()


def ask(connection: Any, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


@pytest.mark.parametrize("join", [True, False], ids=["join", "alone"])
@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_threads_that_hold_the_whole_pool_all_reserve(
    postgres: str,
    options: dict[str, Any],
    pool: int,
    use_cache: UseCache,
    join: bool,
    level: str,
) -> None:
    """No request waits for a second connection of the pool while it holds one."""
    escaped = level.replace(" ", r"\ ")
    options["options"] = f"-c default_transaction_isolation={escaped}"
    use_cache(postgres, join=join, timeout=1)
    together = threading.Barrier(pool)

    def request(jti: str) -> bool:
        with transaction.atomic(postgres):
            assert Work.objects.using(postgres).count() == 0
            together.wait(LIMIT)
            got = replay_cache.reserve(jti)
            together.wait(LIMIT)
            return got is not None

    with ThreadPoolExecutor(pool) as executor, takes_at_most(4):
        requests = [in_thread(executor, lambda jti=jti: request(jti)) for jti in "ab"]
        assert [each.result(LIMIT) for each in requests] == [True, True]


def test_threads_that_hold_the_whole_pool_all_release(
    postgres: str, pool: int, use_cache: UseCache
) -> None:
    """A release that follows a rollback does not wait for a second connection of the pool."""
    use_cache(postgres, timeout=1)
    together = threading.Barrier(pool)

    def request(jti: str) -> None:
        reservation = replay_cache.reserve(jti)
        assert reservation
        with failing_block(postgres):
            release_on_rollback(reservation, postgres)
            together.wait(LIMIT)

    with ThreadPoolExecutor(pool) as executor, takes_at_most(4):
        for each in [in_thread(executor, lambda jti=jti: request(jti)) for jti in "ab"]:
            each.result(LIMIT)
    assert [jti for jti in "ab" if replay_cache.reserve(jti)] == ["a", "b"]


def test_beside_a_pool_an_idle_connection_is_kept(postgres: str, pool: int, kept: None) -> None:
    """CONN_MAX_AGE is 0 with a pool, which keeps its connections all the same."""
    private = PrivateConnections(postgres, 1)
    with private.use() as connection:
        backend = ask(connection, "SELECT pg_backend_pid()")
        assert connection.settings_dict["CONN_MAX_AGE"] == POOLED_MAX_AGE
    with private.use() as connection:
        assert ask(connection, "SELECT pg_backend_pid()") == backend
    private.close()
    assert "pool" in connections[postgres].settings_dict["OPTIONS"]


def test_an_answer_that_does_not_come_in_time_is_an_error(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No driver's patience but ``timeout`` bounds the wait for an answer."""
    monkeypatch.setattr(private_connections, "GRACE", 0.1)
    private = PrivateConnections(postgres, 0.2)
    with (
        takes_at_most(5),
        pytest.raises(OperationalError, match=r"'postgres' has not answered within 0\.3 s"),
        private.use() as connection,
    ):
        ask(connection, "SELECT pg_sleep(20)")
    with private.use() as connection:
        assert ask(connection, "SELECT 1") == 1


def test_a_server_that_does_not_cancel_is_cut_off(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler without a free session, or a dead network, holds nobody beyond the limit."""
    monkeypatch.setattr(private_connections, "GRACE", 0.1)
    monkeypatch.setattr(TimeLimit, "_cancel", lambda *args: None)
    private = PrivateConnections(postgres, 0.2)
    with (
        takes_at_most(5),
        pytest.raises(OperationalError, match="has not answered"),
        private.use() as connection,
    ):
        ask(connection, "SELECT pg_sleep(20)")
    with connections[postgres].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE '%sleep(20)'"
        )


def test_what_is_late_and_succeeds_is_no_error(
    postgres: str, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation that is done keeps its outcome, and its connection is not used again."""
    monkeypatch.setattr(private_connections, "GRACE", 0)
    private = PrivateConnections(postgres, 0.05)
    with private.use() as connection:
        assert ask(connection, "SELECT 1") == 1
        time.sleep(0.5)
    assert connection.connection is None


def test_a_reserve_is_not_tried_again_when_its_time_is_over(
    postgres: str, use_cache: UseCache, other_session: Any
) -> None:
    """A reserve on a private connection ends in time, whatever holds the table."""
    use_cache(postgres, join=False, timeout=0.2)
    other_session.set_autocommit(False)
    with other_session.cursor() as cursor:
        cursor.execute("LOCK TABLE jti_replay_reservedjti")
    with takes_at_most(4), pytest.raises(CacheError):
        replay_cache.reserve("a")
    other_session.rollback()
    assert replay_cache.reserve("a")


@pytest.mark.parametrize("server", ["postgres", "mariadb"], indirect=True)
def test_a_connection_that_the_server_has_ended_is_replaced(
    server: str, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process without request signals works on after a restart of its database."""
    monkeypatch.setitem(connections[server].settings_dict, "CONN_MAX_AGE", None)
    private = PrivateConnections(server, 2)
    names = {"postgres": "pg_backend_pid()", "mariadb": "connection_id()"}
    ends = {"postgres": "SELECT pg_terminate_backend({})", "mariadb": "KILL {}"}
    with private.use() as connection:
        session = ask(connection, f"SELECT {names[server]}")
    with connections[server].cursor() as cursor:
        cursor.execute(ends[server].format(session))
    time.sleep(0.2)
    with private.use() as connection:
        assert ask(connection, f"SELECT {names[server]}") != session
    private.close()


@pytest.mark.parametrize("server", ["default", "postgres", "mariadb"], indirect=True)
@pytest.mark.parametrize("age", [0, 60, None])
def test_a_connection_is_kept_as_long_as_django_keeps_one(
    server: str, kept: None, monkeypatch: pytest.MonkeyPatch, age: int | None
) -> None:
    """CONN_MAX_AGE holds by the time at which a connection is given back."""
    monkeypatch.setitem(connections[server].settings_dict, "CONN_MAX_AGE", age)
    private = PrivateConnections(server, 1)
    with private.use() as connection:
        ask(connection, "SELECT 1")
        raw = connection.connection
    assert (connection.connection is raw) is (age != 0)
    with private.use() as again:
        assert (again is connection) is (age != 0)
        with private.use() as second:
            assert second is not again
    private.close()
    assert again.connection is None


def test_a_connection_that_is_too_old_is_closed(
    transactional_db: None, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection past CONN_MAX_AGE is not used again."""
    monkeypatch.setitem(connections["default"].settings_dict, "CONN_MAX_AGE", 60)
    private = PrivateConnections("default", 1)
    with private.use() as connection:
        ask(connection, "SELECT 1")
        raw = connection.connection
    now = time.monotonic()
    monkeypatch.setattr(private_connections.time, "monotonic", lambda: now + 61)
    with private.use() as again:
        ask(again, "SELECT 1")
        assert again.connection is not raw
    private.close()


def test_after_a_failure_a_connection_is_not_kept(transactional_db: None, kept: None) -> None:
    """What a failed operation leaves in a session reaches no other operation."""
    private = PrivateConnections("default", 1)
    with pytest.raises(OperationalError), private.use() as connection:
        ask(connection, "no SQL")
    assert connection.connection is None


def test_one_in_use_is_closed_at_its_end(transactional_db: None, kept: None) -> None:
    """After close() nothing is kept that an operation of another thread still used."""
    private = PrivateConnections("default", 5)
    with private.use() as connection:
        connection.ensure_connection()
        private.close()
    assert connection.connection is None
    with private.use() as connection:
        connection.ensure_connection()
    private.close()
    assert connection.connection is None


def test_a_test_run_keeps_no_connection(
    postgres: str,
    use_cache: UseCache,
    other_session: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Django can drop a test database whatever thread has reserved, and CONN_MAX_AGE."""
    monkeypatch.setitem(connections[postgres].settings_dict, "CONN_MAX_AGE", None)
    cache = use_cache(postgres, join=False)
    cache._purges._reserves = INTERVAL - 1  # So that it purges, too.
    connections[postgres].close()
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(replay_cache.reserve, "a").result(LIMIT)
        for _ in range(100):  # The server may take a moment to notice.
            if ask(other_session, SESSIONS) == 0:
                break
            time.sleep(0.02)
        assert ask(other_session, SESSIONS) == 0


def test_a_test_run_is_known_by_djangos_own_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of Django's private name is noticed here."""
    assert is_test_run()
    state = utils._TestState.saved_data
    monkeypatch.delattr(utils._TestState, "saved_data")
    assert not is_test_run()
    utils.setup_test_environment()
    assert is_test_run()
    utils.teardown_test_environment()
    monkeypatch.setattr(utils._TestState, "saved_data", state, raising=False)


@pytest.mark.parametrize("alias", ["default", "postgres", "mariadb"])
def test_a_timeout_of_any_length_can_be_connected_with(
    request: pytest.FixtureRequest, alias: str
) -> None:
    """No driver is given a number that it cannot count to, nor 0, which has no limit."""
    alias = request.getfixturevalue("postgres") if alias == "postgres" else alias
    for timeout in (0, 10**10):
        with PrivateConnections(alias, timeout).use() as connection:
            assert ask(connection, "SELECT 1") == 1
            options = connection.settings_dict["OPTIONS"]
            limits = [value for name, value in options.items() if name.endswith("timeout")]
            assert all(0 <= limit <= 86_401 for limit in limits)


def test_a_shorter_limit_of_the_project_stays(postgres: str, options: dict[str, Any]) -> None:
    """A limit of the project's own is shortened and never lengthened."""
    for own, expected in ((3, 3), ("3", 3), (60, 5), (None, 5)):
        options["connect_timeout"] = own
        with PrivateConnections(postgres, 4.5).use() as connection:
            assert connection.settings_dict["OPTIONS"]["connect_timeout"] == expected
        assert options["connect_timeout"] == own


def test_a_forked_child_leaves_the_parents_connections_alone(
    transactional_db: None, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child neither uses nor closes a connection that it inherits."""
    monkeypatch.setitem(connections["default"].settings_dict, "CONN_MAX_AGE", None)
    private = PrivateConnections("default", 1)
    with private.use() as connection:
        ask(connection, "SELECT 1")
    pid = os.getpid()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid + 1)
        private.close()
        assert ask(connection, "SELECT 1") == 1
        with private.use() as own:
            assert own is not connection
        private.close()
    assert ask(connection, "SELECT 1") == 1
    private_connections.disconnect(connection)
