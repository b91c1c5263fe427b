"""Expired rows go: in small batches on the way, and by a command."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction
from django.test.utils import CaptureQueriesContext

from jti_replay import replay_cache
from jti_replay.backends.database import purging
from jti_replay.backends.database.purging import INTERVAL, PurgeSchedule
from jti_replay.backends.database.statements import statements_for
from jti_replay.backends.database.statements.mariadb import (
    MariaDBStatements,
    OldMariaDBStatements,
)
from jti_replay.backends.store import PURGE_BATCH
from jti_replay.models import ReservedJTI
from tests.backends.database.conftest import EACH, EACH_LEVEL, UseCache
from tests.backends.database.rival import LIMIT, in_thread, rival
from tests.stopwatch import takes_at_most

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def fill(alias: str, number: int, *, expires_at: int = 1) -> None:
    """Add rows that have expired long ago."""
    ReservedJTI.objects.using(alias).bulk_create(
        ReservedJTI(
            digest=b"%16d" % (row + expires_at), namespace="", owner=row, expires_at=expires_at
        )
        for row in range(number)
    )


def rows(alias: str) -> int:
    return ReservedJTI.objects.using(alias).count()


@EACH
def test_a_table_never_grows_without_end(
    server: str, use_cache: UseCache, purging: UseCache
) -> None:
    cache = purging(use_cache(server))
    fill(server, 2 * PURGE_BATCH)
    for number in range(2 * INTERVAL):
        assert replay_cache.reserve(f"{number}")
    assert rows(server) <= 2 * INTERVAL + PURGE_BATCH
    assert cache.backlog() <= PURGE_BATCH
    for number in range(INTERVAL):
        assert replay_cache.reserve(f"more {number}")
    assert cache.backlog() == 0
    assert cache.count() == rows(server) == 3 * INTERVAL


@EACH
def test_a_purge_takes_the_oldest_and_no_more_than_a_batch(
    server: str, use_cache: UseCache
) -> None:
    cache = use_cache(server)
    fill(server, 5, expires_at=2000)
    fill(server, 5, expires_at=1000)
    live = replay_cache.reserve("live")
    assert cache.purge(7) == 7
    left = ReservedJTI.objects.using(server).filter(expires_at__lte=2000)
    assert set(left.values_list("expires_at", flat=True)) == {2000}
    assert cache.purge() == 3
    assert cache.purge() == 0
    assert live
    assert live.release()


@EACH
def test_a_purge_does_not_look_at_what_is_live(server: str, use_cache: UseCache) -> None:
    cache: Any = use_cache(server)
    fill(server, 3000, expires_at=10**15)
    connection = connections[server]
    sql = cache._table.statements(connection).purge
    sql = sql[sql.index("DELETE") :]  # MariaDB cannot explain the limits that come before.
    explain = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN", "mysql": "EXPLAIN"}
    with connection.cursor() as cursor:
        analyze = "ANALYZE" if connection.vendor != "mysql" else "ANALYZE TABLE"
        cursor.execute(f"{analyze} jti_replay_reservedjti")
        cursor.execute(f"{explain[connection.vendor]} {sql}", {"batch": PURGE_BATCH})
        plan = str(cursor.fetchall())
    assert "jti_replay_reservedjti_expires_at" in plan
    assert "Seq Scan" not in plan


def test_postgresql_needs_no_statistics_for_it(postgres: str, use_cache: UseCache) -> None:
    cache: Any = use_cache(postgres)
    connection = connections[postgres]
    sql = cache._table.statements(connection).purge
    sql = sql.replace("jti_replay_reservedjti", "unknown")
    with transaction.atomic(postgres), connection.cursor() as cursor:
        # A new table, which nobody analyzes meanwhile.
        cursor.execute(
            "CREATE TEMPORARY TABLE unknown (LIKE jti_replay_reservedjti INCLUDING ALL)"
            " ON COMMIT DROP"
        )
        cursor.execute(
            "INSERT INTO unknown (digest, namespace, owner, expires_at)"
            " SELECT decode(md5(n::text), 'hex'), '', n, 10^15"
            " FROM generate_series(1, 15000) AS n"
        )
        cursor.execute(f"EXPLAIN {sql}", {"batch": PURGE_BATCH})
        plan = str(cursor.fetchall())
    assert "unknown_expires_at_idx" in plan


@EACH
def test_in_a_transaction_the_purge_waits_for_the_commit(
    server: str, use_cache: UseCache, purging: UseCache
) -> None:
    cache = purging(use_cache(server))
    fill(server, 1)
    with transaction.atomic(server):
        for number in range(INTERVAL):
            assert replay_cache.reserve(f"{number}")
        assert cache.backlog() == 1
    assert cache.backlog() == 0


def test_a_manual_transaction_is_not_burdened_with_a_purge(
    postgres: str, use_cache: UseCache, purging: UseCache
) -> None:
    cache = purging(use_cache(postgres))
    fill(postgres, 1)
    transaction.set_autocommit(False, postgres)
    try:
        for number in range(INTERVAL):
            assert replay_cache.reserve(f"{number}")
        assert cache.backlog() == 1
        transaction.commit(postgres)
    finally:
        transaction.set_autocommit(True, postgres)


def test_processes_that_live_shortly_purge_too() -> None:
    counts = {PurgeSchedule(is_enabled=True)._reserves for _ in range(200)}
    assert len(counts) > INTERVAL / 2
    assert max(counts) < INTERVAL


def test_a_purge_that_fails_is_logged_and_loses_no_reservation(
    postgres: str,
    use_cache: UseCache,
    purging: UseCache,
    caplog: pytest.LogCaptureFixture,
) -> None:
    purging(use_cache(postgres))

    def refuse(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith("DELETE"):
            sql = "DELETE FROM no_such_table"
        return execute(sql, *args)

    with connections[postgres].execute_wrapper(refuse):
        for number in range(INTERVAL):
            assert replay_cache.reserve(f"{number}")
    assert "could not purge" in caplog.text


# It waits for no lock.


@EACH_LEVEL
def test_a_purge_takes_what_no_transaction_holds(server: str, use_cache: UseCache) -> None:
    """An open transaction has taken over the row that is the next to go."""
    cache = use_cache(server, timeout=5)
    fill(server, 5, expires_at=2)
    assert replay_cache.reserve("expired")
    ReservedJTI.objects.using(server).filter(expires_at__gt=2).update(expires_at=1)
    with rival(server, "expired") as somebody:
        with takes_at_most(1):
            purged = cache.purge()
        # SQLite has one writer.
        assert purged == (0 if server == "default" else 5)
        somebody.end(commit=False)
    assert cache.purge() == 6 - purged


@pytest.mark.parametrize("server", ["postgres", "mariadb"], indirect=True)
def test_a_purge_in_a_transaction_leaves_no_locks_behind(
    server: str, use_cache: UseCache
) -> None:
    cache = use_cache(server, timeout=0.2)
    fill(server, 1)
    assert replay_cache.reserve("expired")
    ReservedJTI.objects.using(server).update(expires_at=1)
    with transaction.atomic(server), ThreadPoolExecutor(1) as executor:
        assert cache.purge() == 2
        assert in_thread(executor, lambda: replay_cache.reserve("expired")).result(LIMIT)


def test_sqlite_keeps_the_time_limit_of_the_project(
    transactional_db: None, use_cache: UseCache
) -> None:
    cache = use_cache("default")

    def limit() -> int:
        with connections["default"].cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            return int(cursor.fetchone()[0])

    before = limit()
    assert before > 0
    with rival("default", "a"):
        assert cache.purge() == 0
    assert limit() == before


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
@pytest.mark.parametrize("kind", [MariaDBStatements, OldMariaDBStatements])
def test_mariadb_does_not_wait_for_a_locked_table(
    server: str, kind: type[MariaDBStatements]
) -> None:
    """Nor before 10.6 for a row, with statements that all versions understand."""
    fill(server, 3)
    statements = kind("jti_replay_reservedjti", "jti_replay_memorystart")

    def purge() -> int:
        with connections[server].cursor() as cursor:
            return statements.execute_purge(cursor, 2)

    with ThreadPoolExecutor(1) as executor, connections[server].cursor() as cursor:
        cursor.execute("LOCK TABLES jti_replay_reservedjti WRITE")
        with takes_at_most(1):
            assert in_thread(executor, purge).result(LIMIT) == 0
        cursor.execute("UNLOCK TABLES")
        with transaction.atomic(server):
            cursor.execute("UPDATE jti_replay_reservedjti SET owner = 0")
            with takes_at_most(1):
                assert in_thread(executor, purge).result(LIMIT) == 0
    assert [purge(), purge()] == [2, 1]


@pytest.mark.parametrize(
    ("server", "table"),
    [("default", "main.unknown"), ("mariadb", "unknown")],
    indirect=["server"],
)
def test_what_is_no_lock_is_an_error(server: str, table: str) -> None:
    statements = type(statements_for(connections[server]))(table, table)
    with connections[server].cursor() as cursor, pytest.raises(DatabaseError, match="unknown"):
        statements.execute_purge(cursor, 1)


# Not everywhere.


@EACH
@pytest.mark.parametrize("enabled", [True, False], ids=["test run", "purge False"])
def test_no_reserve_purges_in_a_test_run_or_if_told_not_to(
    server: str, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch, enabled: bool
) -> None:
    """So that tests of a project can count queries and callbacks."""
    cache = use_cache(server, purge=enabled)
    if not enabled:
        monkeypatch.setattr(purging, "is_test_run", lambda: False)
    fill(server, 1)
    with CaptureQueriesContext(connections[server]) as queries:
        for number in range(INTERVAL):
            assert replay_cache.reserve(f"{number}")
    with transaction.atomic(server):
        for number in range(INTERVAL):
            assert replay_cache.reserve(f"joined {number}")
        assert connections[server].run_on_commit == []
    assert len(queries) == INTERVAL
    assert cache.backlog() == 1
