"""The number of rows of a cache in a database, and of those that have expired."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jti_replay.backends.findings import Finding

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from jti_replay.backends.database.statements import Statements

LARGE_BACKLOG = 10_000
"""Rows. As long as there are reserves, each purges more than it adds."""


def fetch(connection: BaseDatabaseWrapper, sql: str) -> Any:
    """Return the first column of the first row."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def examine_rows(connection: BaseDatabaseWrapper, statements: Statements) -> Iterator[Finding]:
    """Count the rows."""
    entries: int = fetch(connection, statements.count)
    yield Finding.ok("entries", entries, f"Live entries: {entries:_}.")
    yield judge_backlog(fetch(connection, statements.backlog), entries)


def judge_backlog(backlog: int, entries: int) -> Finding:
    """Warn of a table most of whose rows have expired."""
    text = f"Expired rows that are to be purged: {backlog:_}."
    if backlog < LARGE_BACKLOG or backlog <= entries:
        return Finding.ok("purge-backlog", backlog, text)
    return Finding.warning(
        "purge-backlog",
        backlog,
        text,
        hint="Run 'manage.py jti_replay purge' regularly.",
        check="jti_replay.W017",
    )
