"""What the doctor says of a database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, connections

from jti_replay import replay_cache
from jti_replay.backends.database.diagnosis import examine_database
from jti_replay.backends.database.diagnosis.rows import LARGE_BACKLOG, judge_backlog
from jti_replay.backends.database.diagnosis.sqlite import judge_journal, judge_wait
from jti_replay.backends.database.options import DatabaseOptions
from jti_replay.backends.findings import Unusable
from jti_replay.backends.latency import judge_clock, judge_latency
from jti_replay.models import MemoryStart, ReservedJTI
from tests.servers import free_port
from tests.stopwatch import takes_at_most

from .conftest import DATABASE, Examine

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def use(settings: Any, alias: str = "default", **options: Any) -> None:
    settings.JTI_REPLAY = {
        "CACHES": {"default": {"BACKEND": DATABASE, "LOCATION": alias, "OPTIONS": options}}
    }


def test_sqlite_is_asked_how_it_writes(findings: Examine, settings: Any) -> None:
    use(settings)
    replay_cache.reserve("a")
    ReservedJTI.objects.create(digest=b"x" * 16, owner=1, expires_at=1)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
    found = findings()
    assert {finding.level for finding in found.values()} == {"ok"}
    assert found["version"].value.startswith("SQLite 3.")
    assert found["isolation"].value == "serializable"
    assert found["journal-mode"].value == "wal"
    assert found["busy-timeout"].value == 5000
    assert found["migrated"].value is True
    assert abs(found["clock-difference"].value) < 0.1
    assert (found["join"].value, found["atomic-requests"].value) == (True, False)
    assert (found["entries"].value, found["purge-backlog"].value) == (1, 1)
    assert found["writes"].value > 0


@pytest.mark.parametrize("join", [True, False])
def test_postgresql_is_asked_too(
    findings: Examine, settings: Any, postgres: str, join: bool
) -> None:
    use(settings, postgres, join=join)
    assert replay_cache.reserve("a")
    found = findings()
    assert {finding.level for finding in found.values()} == {"ok"}
    assert found["version"].value.startswith("PostgreSQL ")
    assert found["isolation"].value == "read committed"
    assert found["join"].value is join
    assert found["entries"].value == 1
    assert abs(found["clock-difference"].value) < 0.1
    assert ReservedJTI.objects.using(postgres).count() == 1  # The probe is gone.


def test_row_level_security_is_an_error(
    findings: Examine, settings: Any, postgres: str
) -> None:
    """A policy that hides rows from the role of the site is named by the doctor."""
    use(settings, postgres)
    assert findings()["row-security"].value is False  # A superuser sees every row.
    with connections[postgres].cursor() as cursor:
        cursor.execute("CREATE ROLE site")
        cursor.execute("GRANT ALL ON jti_replay_reservedjti, jti_replay_memorystart TO site")
        cursor.execute("ALTER TABLE jti_replay_reservedjti ENABLE ROW LEVEL SECURITY")
        cursor.execute("SET ROLE site")
        try:
            found = list(diagnose_by_django(postgres))
        finally:
            cursor.execute("RESET ROLE")
            cursor.execute("ALTER TABLE jti_replay_reservedjti DISABLE ROW LEVEL SECURITY")
            cursor.execute("DROP OWNED BY site")
            cursor.execute("DROP ROLE site")
    assert [(each.key, each.check) for each in found if each.level == "error"] == [
        ("row-security", "jti_replay.E041")
    ]


def diagnose_by_django(alias: str) -> Any:
    from jti_replay.backends.database import DatabaseCache

    return DatabaseCache("default", {"LOCATION": alias}).diagnose()


@pytest.mark.parametrize("alias", ["default", "postgres"])
def test_it_only_reads_and_says_the_same_twice(
    findings: Examine, settings: Any, postgres: str, alias: str
) -> None:
    """A new table that is to refuse after a cold start is healthy, and stays empty."""
    use(settings, alias)
    settings.JTI_REPLAY["CACHES"]["default"]["COLD_START"] = "refuse"
    first, second = findings(), findings()
    assert "error" not in {finding.level for finding in first.values()}
    for found in (first, second):
        for key in ("latency", "clock-difference", "writes"):
            del found[key]
    assert first == second
    assert ReservedJTI.objects.using(alias).count() == 0
    assert MemoryStart.objects.using(alias).count() == 0


def test_a_database_that_takes_no_writes_is_an_error(
    findings: Examine, settings: Any, monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    """Such as a standby, or one that was made read-only."""
    read_only = {"options": "-c default_transaction_read_only=on"}
    monkeypatch.setitem(connections.settings[postgres], "OPTIONS", read_only)
    use(settings, postgres)
    finding = findings()["writes"]
    assert (finding.level, finding.check) == ("error", "jti_replay.E026")
    assert "read-only" in finding.text


def test_requests_in_transactions_are_told_of(
    findings: Examine, settings: Any, monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    monkeypatch.setitem(connections.settings[postgres], "ATOMIC_REQUESTS", True)
    monkeypatch.setitem(
        connections.settings[postgres],
        "OPTIONS",
        {"options": "-c default_transaction_isolation=serializable"},
    )
    use(settings, postgres)
    found = findings()
    assert found["atomic-requests"].value is True
    assert found["isolation"].value == "serializable"


def test_a_missing_table_is_an_error() -> None:
    with pytest.raises(Unusable) as caught:
        list(examine_database(connection, DatabaseOptions(), "no_such_table"))
    last = caught.value.finding
    assert (last.key, last.level, last.check) == ("migrated", "error", "jti_replay.E016")


def test_a_database_that_is_down_is_an_error(
    findings: Examine, settings: Any, monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    use(settings, postgres)
    monkeypatch.setitem(connections.settings[postgres], "PORT", free_port())
    with takes_at_most(5):
        found = findings()
    assert {key: finding.check for key, finding in found.items()} == {
        "reachable": "jti_replay.E020"
    }


def test_what_is_judged_is_warned_of_from_a_limit_on() -> None:
    """At each limit: what is still as it should be, and what is not."""
    for good, bad in (
        (judge_journal("wal"), judge_journal("delete")),
        (judge_wait(1_000), judge_wait(999)),
        (judge_backlog(LARGE_BACKLOG - 1, 0), judge_backlog(LARGE_BACKLOG, 0)),
        (judge_backlog(LARGE_BACKLOG, LARGE_BACKLOG), judge_backlog(LARGE_BACKLOG + 1, 1)),
        (judge_clock(1.0), judge_clock(1.001)),
        (judge_clock(-1.0), judge_clock(-1.001)),
        (judge_latency(0.2, 0.4), judge_latency(0.201, 0.4)),
    ):
        assert (good.level, good.check, good.hint) == ("ok", "", "")
        assert bad.level == "warning"
        assert bad.check.startswith("jti_replay.W01")
        assert bad.hint
