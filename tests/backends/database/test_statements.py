"""What is sent to the database."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from jti_replay import replay_cache
from jti_replay.backends.database.statements import Row, statements_for
from jti_replay.backends.database.statements.base import Statements
from jti_replay.backends.database.statements.mariadb import (
    MariaDBStatements,
    OldMariaDBStatements,
)
from jti_replay.backends.database.statements.mysql import MySQLStatements
from jti_replay.models import ReservedJTI
from tests.backends.database.conftest import EACH, UseCache
from tests.backends.database.rival import LIMIT
from tests.stopwatch import takes_at_most

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@EACH
@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "transaction"])
def test_a_reserve_and_a_release_are_one_statement_each(
    server: str, use_cache: UseCache, atomic: bool
) -> None:
    use_cache(server)
    assert replay_cache.reserve("expired")
    ReservedJTI.objects.using(server).update(expires_at=1)
    with transaction.atomic(server if atomic else "memory"):
        with CaptureQueriesContext(connections[server]) as new:
            reservation = replay_cache.reserve("a")
        with CaptureQueriesContext(connections[server]) as seen:
            assert replay_cache.reserve("a") is None
        with CaptureQueriesContext(connections[server]) as taken_over:
            assert replay_cache.reserve("expired")
        with CaptureQueriesContext(connections[server]) as released:
            assert reservation
            assert reservation.release()
    assert [len(each) for each in (new, seen, taken_over, released)] == [1, 1, 1, 1]


@EACH
def test_nothing_raw_is_stored(server: str, use_cache: UseCache) -> None:
    use_cache(server)
    assert replay_cache.reserve("a secret jti", namespace="issuer \N{EURO SIGN}\0\udc80'")
    (row,) = ReservedJTI.objects.using(server).values()
    assert len(row["digest"]) == 16
    assert "secret" not in str(row)
    assert row["namespace"] == r"issuer \u20ac\x00\udc80'"


@EACH
def test_a_long_namespace_is_cut_for_the_eye_only(server: str, use_cache: UseCache) -> None:
    use_cache(server)
    long = "n" * 300
    assert replay_cache.reserve("a", namespace=f"{long}1")
    assert replay_cache.reserve("a", namespace=f"{long}2")
    assert {len(row.namespace) for row in ReservedJTI.objects.using(server).all()} == {255}


@EACH
def test_the_clock_is_that_of_the_database_to_the_millisecond(
    server: str, use_cache: UseCache
) -> None:
    """Cut off or rounded, and so never more than a millisecond away."""
    cache = use_cache(server)
    with connections[server].cursor() as cursor:
        for _ in range(300):
            before = time.time() * 1000
            cursor.execute(f"SELECT {cache.clock}")
            after = time.time() * 1000
            (now,) = cursor.fetchone()
            assert before - 1 <= now <= after + 0.5


@EACH
def test_hosts_whose_clock_is_wrong_agree_on_what_has_expired(
    server: str, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored is the database's time, plus how long the host lets the jti live."""
    use_cache(server)
    real = time.time
    assert replay_cache.reserve("of a host that is right")
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    assert replay_cache.reserve("of a host that is right") is None
    assert replay_cache.reserve("of a host that is a day ahead")
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    assert replay_cache.reserve("of a host that is a day ahead") is None
    lives = ReservedJTI.objects.using(server).values_list("expires_at", flat=True)
    assert max(lives) - min(lives) < 10_000
    assert abs(max(lives) / 1000 - real() - 300) < 10


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_mysql_which_does_not_return_the_owner_is_asked_for_it(server: str) -> None:
    connection = connections[server]
    statements = MySQLStatements("jti_replay_reservedjti", "jti_replay_memorystart")
    rows = [Row(b"%16d" % 0, "", owner, 60_000) for owner in (1, 2)]

    def reserve(cursor: Any, row: Row) -> str:
        outcome = statements.execute_reserve(cursor, row, wait=2, joined=True, looked=False)
        return outcome.value

    with connection.cursor() as cursor:
        assert [reserve(cursor, row) for row in rows] == ["done", "held"]
        cursor.execute("UPDATE jti_replay_reservedjti SET expires_at = 1")
        assert reserve(cursor, rows[1]) == "done"


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_servers_get_the_statements_that_they_know(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RETURNING is MariaDB's, and passing over locked rows came with MariaDB 10.6."""
    connection = connections[server]

    def kind(*, is_mariadb: bool, passes_over_locks: bool) -> type[Statements]:
        monkeypatch.setitem(vars(connection), "mysql_is_mariadb", is_mariadb)
        name = "has_select_for_update_skip_locked"
        monkeypatch.setitem(vars(connection.features), name, passes_over_locks)
        return type(statements_for(connection))

    assert kind(is_mariadb=True, passes_over_locks=True) is MariaDBStatements
    assert kind(is_mariadb=True, passes_over_locks=False) is OldMariaDBStatements
    assert kind(is_mariadb=False, passes_over_locks=True) is MySQLStatements


@EACH
@pytest.mark.parametrize("joined", [True, False], ids=["transaction", "autocommit"])
def test_a_statement_that_fails_is_an_error_at_once(
    server: str, use_cache: UseCache, joined: bool
) -> None:
    """It is not taken for a race with another one, and a transaction is rolled back."""
    cache: Any = use_cache(server, timeout=LIMIT)
    assert cache.reserve("a")  # Also of a jti that has been seen.
    statements = cache._table.statements(connections[server])
    for name in ("insert", "insert_joined", "count"):
        if hasattr(statements, name):
            sql = getattr(statements, name).replace("jti_replay_reservedjti", "unknown")
            setattr(statements, name, sql)
    for call in (cache.count, lambda: cache.reserve("a")):
        with transaction.atomic(server) if joined else nullcontext():
            with takes_at_most(LIMIT / 2), pytest.raises(Exception, match="unknown"):
                call()
            assert connections[server].needs_rollback is joined
