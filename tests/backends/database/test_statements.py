"""What is sent to the database."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from jti_replay import replay_cache
from jti_replay.backends.database.cache import PURGE_INTERVAL
from jti_replay.backends.database.statements import MySQLStatements, Row
from jti_replay.models import ReservedJTI
from tests.backends.database.conftest import UseCache

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

EACH = pytest.mark.parametrize("server", ["default", "postgres", "mariadb"], indirect=True)


@pytest.fixture
def unpurged(server: str, use_cache: UseCache) -> str:
    """A database with a cache that does not purge for a while."""
    use_cache(server)
    cache: Any = replay_cache
    cache._reserves = -PURGE_INTERVAL
    return server


@EACH
@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "transaction"])
def test_a_reserve_and_a_release_are_one_statement_each(unpurged: str, atomic: bool) -> None:
    assert replay_cache.reserve("expired")
    ReservedJTI.objects.using(unpurged).update(expires_at=1)
    with transaction.atomic(unpurged if atomic else "memory"):
        with CaptureQueriesContext(connections[unpurged]) as new:
            reservation = replay_cache.reserve("a")
        with CaptureQueriesContext(connections[unpurged]) as seen:
            assert replay_cache.reserve("a") is None
        with CaptureQueriesContext(connections[unpurged]) as taken_over:
            assert replay_cache.reserve("expired")
        with CaptureQueriesContext(connections[unpurged]) as released:
            assert reservation
            assert reservation.release()
    assert [len(each) for each in (new, seen, taken_over, released)] == [1, 1, 1, 1]


@EACH
def test_nothing_raw_is_stored(unpurged: str) -> None:
    assert replay_cache.reserve("a secret jti", namespace="issuer \N{EURO SIGN}\0\udc80'")
    (row,) = ReservedJTI.objects.using(unpurged).values()
    assert len(row["digest"]) == 16
    assert "secret" not in str(row)
    assert row["namespace"] == r"issuer \u20ac\x00\udc80'"


@EACH
def test_a_long_namespace_is_cut_for_the_eye_only(unpurged: str) -> None:
    long = "n" * 300
    assert replay_cache.reserve("a", namespace=f"{long}1")
    assert replay_cache.reserve("a", namespace=f"{long}2")
    assert {len(row.namespace) for row in ReservedJTI.objects.using(unpurged).all()} == {255}


@EACH
def test_the_clock_is_that_of_the_database_to_the_millisecond(
    unpurged: str, use_cache: UseCache
) -> None:
    """Cut off or rounded, and so never more than a millisecond away."""
    cache = use_cache(unpurged)
    with connections[unpurged].cursor() as cursor:
        for _ in range(300):
            before = time.time() * 1000
            cursor.execute(f"SELECT {cache.clock}")
            after = time.time() * 1000
            (now,) = cursor.fetchone()
            assert before - 1 <= now <= after + 0.5


@EACH
def test_hosts_whose_clock_is_wrong_agree_on_what_has_expired(
    unpurged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored is the database's time, plus how long the host lets the jti live."""
    real = time.time
    assert replay_cache.reserve("of a host that is right")
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    assert replay_cache.reserve("of a host that is right") is None
    assert replay_cache.reserve("of a host that is a day ahead")
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    assert replay_cache.reserve("of a host that is a day ahead") is None
    lives = ReservedJTI.objects.using(unpurged).values_list("expires_at", flat=True)
    assert max(lives) - min(lives) < 10_000
    assert abs(max(lives) / 1000 - real() - 300) < 10


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_mysql_which_does_not_return_the_owner_is_asked_for_it(server: str) -> None:
    connection = connections[server]
    statements = MySQLStatements("jti_replay_reservedjti", "jti_replay_memorystart", 1.5)
    rows = [Row(b"%16d" % 0, "", owner, 60_000) for owner in (1, 2)]
    with connection.cursor() as cursor:
        outcomes = [statements.execute_reserve(cursor, row, joined=True).value for row in rows]
        assert outcomes == ["new", "seen"]
        cursor.execute("UPDATE jti_replay_reservedjti SET expires_at = 1")
        assert statements.execute_reserve(cursor, rows[1], joined=True).value == "new"
