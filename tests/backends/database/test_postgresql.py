"""A reserve outside a transaction waits in PostgreSQL, and changes nothing but its row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.test.utils import CaptureQueriesContext

from jti_replay import CacheError, Reservation, replay_cache
from jti_replay.backends.database.statements.postgresql import (
    PostgreSQLStatements,
    is_of_the_snapshot,
)
from jti_replay.models import ReservedJTI
from tests.backends.database.conftest import UseCache
from tests.backends.database.rival import LIMIT, in_thread, rival

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def setting(alias: str, name: str) -> str:
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


@pytest.fixture
def options(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The OPTIONS of the connections that are made from now on."""
    connections[postgres].close()
    options: dict[str, Any] = {}
    monkeypatch.setitem(connections[postgres].settings_dict, "OPTIONS", options)
    yield options
    connections[postgres].close()


def test_the_wait_is_one_statement(postgres: str, use_cache: UseCache) -> None:
    use_cache(postgres)
    with rival(postgres, "a") as somebody:
        somebody.end_later(0.2, commit=True)
        with CaptureQueriesContext(connections[postgres]) as queries:
            assert replay_cache.reserve("a") is None
    assert len(queries) == 1


@pytest.mark.parametrize("waits", [False, True])
def test_a_lock_timeout_of_the_project_stays(
    postgres: str, options: dict[str, Any], use_cache: UseCache, waits: bool
) -> None:
    options["options"] = "-c lock_timeout=50ms"
    use_cache(postgres)
    with rival(postgres, "a") as somebody:
        somebody.end_later(0.2 if waits else 0, commit=False)
        assert replay_cache.reserve("a")
    assert setting(postgres, "lock_timeout") == "50ms"
    assert replay_cache.reserve("a") is None
    assert setting(postgres, "lock_timeout") == "50ms"


def test_nor_does_a_wait_that_was_given_up_leave_one(
    postgres: str, use_cache: UseCache
) -> None:
    use_cache(postgres, timeout=0.1)
    with rival(postgres, "a"), pytest.raises(CacheError, match=r"not ended within 0\.1 sec"):
        replay_cache.reserve("a")
    assert setting(postgres, "lock_timeout") == "0"


def test_a_statement_timeout_of_the_project_is_an_error(
    postgres: str, options: dict[str, Any], use_cache: UseCache
) -> None:
    options["options"] = "-c statement_timeout=100ms"
    use_cache(postgres)
    with rival(postgres, "a"), pytest.raises(CacheError, match="statement timeout"):
        replay_cache.reserve("a")
    assert replay_cache.reserve("a")


def test_a_timeout_of_0_does_not_wait(postgres: str, use_cache: UseCache) -> None:
    """To PostgreSQL it would mean no limit."""
    use_cache(postgres, timeout=0)
    assert replay_cache.reserve("b")
    with rival(postgres, "a") as somebody:
        somebody.end_later(1, commit=True)
        with pytest.raises(CacheError):
            replay_cache.reserve("a")


def test_a_timeout_may_be_longer_than_postgresql_can_count(
    postgres: str, use_cache: UseCache
) -> None:
    use_cache(postgres, timeout=10**10)
    with rival(postgres, "a") as somebody:
        somebody.end_later(0.1, commit=False)
        assert replay_cache.reserve("a")


def test_a_replay_writes_no_row(postgres: str, use_cache: UseCache) -> None:
    use_cache(postgres)
    assert replay_cache.reserve("a")

    def version() -> object:
        with connections[postgres].cursor() as cursor:
            cursor.execute("SELECT ctid FROM jti_replay_reservedjti")
            return cursor.fetchall()

    before = version()
    assert replay_cache.reserve("a") is None
    assert version() == before


def test_of_all_that_wait_one_wins(postgres: str, use_cache: UseCache) -> None:
    use_cache(postgres)

    def joined() -> Reservation | None:
        with transaction.atomic(postgres):
            return replay_cache.reserve("a")

    with rival(postgres, "a") as somebody, ThreadPoolExecutor(4) as executor:
        reserves = [joined, lambda: replay_cache.reserve("a")] * 2
        waiting = [in_thread(executor, reserve) for reserve in reserves]
        time.sleep(0.1)
        somebody.end(commit=False)
        won = [each for each in waiting if each.result(LIMIT)]
    assert len(won) == 1
    assert ReservedJTI.objects.using(postgres).count() == 1


def test_parameters_may_be_bound_by_the_server(
    postgres: str, options: dict[str, Any], use_cache: UseCache
) -> None:
    options["server_side_binding"] = True
    use_cache(postgres)
    for block in (transaction.atomic(postgres), transaction.atomic("memory")):
        with block:
            reservation = replay_cache.reserve("a", namespace="issuer")
            assert reservation
            assert replay_cache.reserve("a", namespace="issuer") is None
            ReservedJTI.objects.using(postgres).update(expires_at=1)
            assert replay_cache.reserve("a", namespace="issuer")
            assert not reservation.release()
        assert replay_cache.release("a", namespace="issuer")


def test_a_wait_has_a_limit_however_short_or_long() -> None:
    """PostgreSQL takes 0 for no limit."""
    limits = PostgreSQLStatements("reserved", "memory").limits
    given = [limits(seconds)["limit"] for seconds in (-1, 0, 0.0011, 2.0, 10**9)]
    assert given == [1, 1, 2, 2000, 2**31 - 1]


class DriverError(Exception):
    """What psycopg raises, by the names of version 3 or of version 2."""

    def __init__(self, code: str, *, version: int, source_file: str = "") -> None:
        super().__init__(code)
        setattr(self, {2: "pgcode", 3: "sqlstate"}[version], code)
        self.diag = SimpleNamespace(source_file=source_file)


def told_by_django(cause: DriverError) -> OperationalError:
    error = OperationalError("failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("version", [2, 3])
def test_failures_are_told_apart_with_either_driver(version: int) -> None:
    """Only what another transaction causes is tried again, or means that the jti was seen."""
    statements = PostgreSQLStatements("reserved", "memory")

    def told(code: str, source_file: str = "") -> OperationalError:
        return told_by_django(DriverError(code, version=version, source_file=source_file))

    for code in ("40001", "40P01", "55P03"):
        assert statements.lost_a_race(told(code))
    assert not statements.lost_a_race(told("42P01"))
    assert is_of_the_snapshot(told("40001", "nodeModifyTable.c"))
    assert not is_of_the_snapshot(told("40001", "predicate.c"))
    assert not is_of_the_snapshot(told("42P01", "nodeModifyTable.c"))
