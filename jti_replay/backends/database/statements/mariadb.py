"""The statements for MariaDB."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import Outcome, Row
from .mysql import MySQLStatements

RECORD_HAS_CHANGED = 1020
"""The error of ``innodb_snapshot_isolation``, which ends the transaction."""


class MariaDBStatements(MySQLStatements):
    """
    For MariaDB, which tells the owner at once, and limits the wait of one statement.

    Above READ COMMITTED, with ``innodb_snapshot_isolation`` (on by default since 11.6.2), an
    insert ends the transaction if it meets a row that was committed after the transaction's
    snapshot. Such a row is looked for from outside before. The look waits for a transaction
    that has inserted the row.
    """

    limit = (
        "SET STATEMENT innodb_lock_wait_timeout = %(limit)s, lock_wait_timeout = %(limit)s FOR"
    )
    no_wait: ClassVar[str] = (
        "SET STATEMENT innodb_lock_wait_timeout = 0, lock_wait_timeout = 0 FOR"
    )
    insert = """
        {limit} INSERT INTO {table} (digest, namespace, owner, expires_at)
        VALUES (%(digest)s, %(namespace)s, %(owner)s, {now} + %(lifetime)s)
        {takeover} RETURNING owner
    """
    # It returns nothing above READ COMMITTED.
    insert_joined: str = """
        {limit} INSERT INTO {table} (digest, namespace, owner, expires_at)
        SELECT %(digest)s, %(namespace)s, %(owner)s, {now} + %(lifetime)s FROM DUAL
        WHERE @@tx_isolation LIKE 'READ-%%'
        {takeover} RETURNING owner
    """
    look = """
        {limit} SELECT COUNT(*) FROM {table}
        WHERE digest = %(digest)s AND expires_at > {now} LOCK IN SHARE MODE
    """
    release = """
        {limit} DELETE FROM {table}
        WHERE digest = %(digest)s AND owner = %(owner)s AND expires_at > {now}
    """
    release_any = """
        {limit} DELETE FROM {table} WHERE digest = %(digest)s AND expires_at > {now}
    """
    purge = """
        {no_wait} DELETE {table} FROM (
            SELECT digest FROM {table} WHERE expires_at BETWEEN 0 AND {now}
            ORDER BY expires_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
        ) AS expired STRAIGHT_JOIN {table} ON {table}.digest = expired.digest
    """
    names = (*MySQLStatements.names, "insert_joined")
    fragments = (*MySQLStatements.fragments, "no_wait")
    looks_beside = True
    shortest_limit = 0

    def execute_reserve(
        self, cursor: Any, row: Row, *, wait: float, joined: bool, looked: bool
    ) -> Outcome:
        """Insert a row, and tell what came of it."""
        sql = self.insert_joined if joined and not looked else self.insert
        cursor.execute(sql, {**row._asdict(), **self.limits(wait)})
        holder = cursor.fetchone()
        if holder is None:
            return Outcome.HIDDEN
        return Outcome.DONE if holder == (row.owner,) else Outcome.HELD

    def met_a_hidden_row(self, error: Exception) -> bool:
        """Return whether it is the error of snapshot isolation."""
        return error.args[:1] == (RECORD_HAS_CHANGED,)


class OldMariaDBStatements(MariaDBStatements):
    """For MariaDB before 10.6, which cannot pass over rows that are locked."""

    purge = """
        {no_wait} DELETE FROM {table} WHERE expires_at <= {now}
        ORDER BY expires_at LIMIT %(batch)s
    """
