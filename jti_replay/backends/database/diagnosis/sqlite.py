"""The settings of an SQLite database that let several processes work at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jti_replay.backends.findings import Finding

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

SHORTEST_WAIT = 1_000
"""Milliseconds. A writer that waits for less fails as soon as two write at once."""


def examine_sqlite(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """Ask how it writes, and how long it waits for another writer."""
    yield judge_journal(_pragma(connection, "journal_mode"))
    yield judge_wait(_pragma(connection, "busy_timeout"))


def judge_journal(mode: str) -> Finding:
    """Warn of a journal with which readers and a writer lock each other out."""
    if mode in ("wal", "memory"):
        return Finding.ok("journal-mode", mode, "Readers and a writer do not wait for another.")
    return Finding.warning(
        "journal-mode",
        mode,
        "Readers and writers lock each other out: under load, reserves fail with 503.",
        hint="Set OPTIONS['init_command'] of the database to 'PRAGMA journal_mode=WAL;'.",
        check="jti_replay.W018",
    )


def judge_wait(milliseconds: int) -> Finding:
    """Warn of a writer that gives up at once."""
    text = f"A writer waits {milliseconds:_} ms for another."
    if milliseconds >= SHORTEST_WAIT:
        return Finding.ok("busy-timeout", milliseconds, text)
    return Finding.warning(
        "busy-timeout",
        milliseconds,
        text,
        hint="Set OPTIONS['timeout'] of the database to a few seconds.",
        check="jti_replay.W018",
    )


def _pragma(connection: BaseDatabaseWrapper, name: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}")
        return cursor.fetchone()[0]
