"""The statements for MySQL."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from django.db import DatabaseError

from .base import Outcome, Row, Statements

LOCK_WAIT_TIMEOUT, DEADLOCK = 1205, 1213

LONGEST_LIMIT = 31_536_000
"""Seconds, the longest that the server counts: one year."""


class MySQLStatements(Statements):
    """For MySQL. Its counts of rows do not tell a new row from an old one, so it is read."""

    now: ClassVar[str] = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)"
    limit: ClassVar[str] = (
        "/*+ SET_VAR(innodb_lock_wait_timeout = %(limit)s)"
        " SET_VAR(lock_wait_timeout = %(limit)s) */"
    )
    """The hint that limits the wait for a row, and that for the table."""
    # Each of these sees what the ones before it have set, so the expiry comes last.
    takeover: ClassVar[str] = """
        ON DUPLICATE KEY UPDATE
            namespace = IF(expires_at <= {now}, VALUES(namespace), namespace),
            owner = IF(expires_at <= {now}, VALUES(owner), owner),
            expires_at = IF(expires_at <= {now}, VALUES(expires_at), expires_at)
    """
    insert = """
        INSERT {limit} INTO {table} (digest, namespace, owner, expires_at)
        VALUES (%(digest)s, %(namespace)s, %(owner)s, {now} + %(lifetime)s)
        {takeover}
    """
    release = """
        DELETE {limit} FROM {table}
        WHERE digest = %(digest)s AND owner = %(owner)s AND expires_at > {now}
    """
    release_any = """
        DELETE {limit} FROM {table} WHERE digest = %(digest)s AND expires_at > {now}
    """
    read_owner: str = "SELECT owner FROM {table} WHERE digest = %(digest)s"
    # The rows are found and locked by the index on their expiry, and deleted by their key.
    purge = """
        DELETE /*+ SET_VAR(lock_wait_timeout = 1) */ {table} FROM (
            SELECT digest FROM {table} WHERE expires_at BETWEEN 0 AND {now}
            ORDER BY expires_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
        ) AS expired STRAIGHT_JOIN {table} ON {table}.digest = expired.digest
    """
    begin = "INSERT IGNORE INTO {memory} (id, complete_since) VALUES (1, {now} + 1)"
    names = (*Statements.names, "read_owner")
    fragments: ClassVar[tuple[str, ...]] = ("limit", "takeover")
    # InnoDB ends a deadlock so.
    commit_can_lose_rows = True
    shortest_limit: ClassVar[int] = 1

    def execute_reserve(
        self, cursor: Any, row: Row, *, wait: float, joined: bool, looked: bool
    ) -> Outcome:
        """Insert a row, and tell what came of it."""
        cursor.execute(self.insert, {**row._asdict(), **self.limits(wait)})
        cursor.execute(self.read_owner, {"digest": row.digest})
        # A row that the snapshot of this transaction does not show is another's.
        return Outcome.DONE if cursor.fetchone() == (row.owner,) else Outcome.HELD

    def execute_purge(self, cursor: Any, batch: int) -> int:
        """Delete expired rows, unless the table is locked."""
        try:
            return super().execute_purge(cursor, batch)
        except DatabaseError as error:
            if error.args[:1] == (LOCK_WAIT_TIMEOUT,):
                return 0
            raise

    def limits(self, wait: float) -> dict[str, int]:
        """Return the limit in seconds, rounded up to whole ones."""
        return {"limit": min(max(self.shortest_limit, math.ceil(wait)), LONGEST_LIMIT)}

    def lost_a_race(self, error: Exception) -> bool:
        """Return whether it is a deadlock."""
        return error.args[:1] == (DEADLOCK,)
