"""The statements for SQLite, which has one writer at a time."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import OperationalError

from .base import Outcome, Row, Statements


class SQLiteStatements(Statements):
    """For SQLite. How long it waits for another writer is set on the connection."""

    # Whole milliseconds. The fraction of a day is not exact enough to cut the rest off.
    now: ClassVar[str] = "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
    insert = """
        INSERT INTO {table} (digest, namespace, owner, expires_at)
        VALUES (%s, %s, %s, {now} + %s)
        ON CONFLICT (digest) DO UPDATE
        SET namespace = excluded.namespace, owner = excluded.owner,
            expires_at = excluded.expires_at
        WHERE {table}.expires_at <= {now}
    """
    purge = """
        DELETE FROM {table} WHERE digest IN (
            SELECT digest FROM {table} WHERE expires_at <= {now}
            ORDER BY expires_at LIMIT %(batch)s
        )
    """
    writes_beside = False

    def execute_reserve(
        self, cursor: Any, row: Row, *, wait: float, joined: bool, looked: bool
    ) -> Outcome:
        """Insert a row, and tell what came of it."""
        cursor.execute(self.insert, row)
        return Outcome.DONE if cursor.rowcount == 1 else Outcome.NOT_DONE

    def execute_purge(self, cursor: Any, batch: int) -> int:
        """Delete expired rows, unless another connection writes at present."""
        cursor.execute("PRAGMA busy_timeout")
        (project,) = cursor.fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            return super().execute_purge(cursor, batch)
        except OperationalError as error:
            if "locked" in str(error):
                return 0
            raise
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {int(project)}")
