"""
The statements of :class:`~jti_replay.backends.database.DatabaseCache`, by database.

A reserve inserts the row, takes it over if it has expired, or leaves it alone. Time is the
database's own, so that the clocks of hosts do not matter; what goes in is how long to live.
"""

from __future__ import annotations

import enum
from typing import Any, ClassVar

from django.db.backends.base.base import BaseDatabaseWrapper


class Outcome(enum.Enum):
    """What a reserve has found."""

    NEW = "new"
    SEEN = "seen"
    UNDECIDED = "undecided"
    """An open transaction has reserved the jti, and may still roll back."""


class Statements:
    """The SQL for one database. It is what SQLite understands."""

    now: ClassVar[str] = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    reserve: ClassVar[str] = """
        INSERT INTO {table} (digest, namespace, owner, expires_at)
        VALUES (%s, %s, %s, {now} + %s)
        ON CONFLICT (digest) DO UPDATE
        SET namespace = excluded.namespace, owner = excluded.owner,
            expires_at = excluded.expires_at
        WHERE {table}.expires_at <= {now}
    """
    release: ClassVar[str] = (
        "DELETE FROM {table} WHERE digest = %s AND owner = %s AND expires_at > {now}"
    )
    release_any: ClassVar[str] = "DELETE FROM {table} WHERE digest = %s AND expires_at > {now}"
    count: ClassVar[str] = "SELECT COUNT(*) FROM {table} WHERE expires_at > {now}"
    backlog: ClassVar[str] = "SELECT COUNT(*) FROM {table} WHERE expires_at <= {now}"
    purge: ClassVar[str] = """
        DELETE FROM {table} WHERE digest IN (
            SELECT digest FROM {table} WHERE expires_at <= {now} ORDER BY expires_at LIMIT %s
        )
    """

    def __init__(self, table: str, timeout: float) -> None:
        self._names = {"table": table, "now": self.now, "timeout": max(1, round(timeout))}

    def execute_reserve(
        self, cursor: Any, digest: bytes, namespace: str, owner: int, lifetime: int
    ) -> Outcome:
        """Insert a row that lives for so many milliseconds, and tell what came of it."""
        cursor.execute(self.sql("reserve"), [digest, namespace, owner, lifetime])
        return Outcome.NEW if cursor.rowcount == 1 else Outcome.SEEN

    def sql(self, name: str) -> str:
        """Return a statement for the table."""
        statement: str = getattr(self, name)
        return statement.format(**self._names)


class PostgreSQLStatements(Statements):
    """
    For PostgreSQL.

    To insert a row that an open transaction has inserted would wait for it without end. So
    whoever inserts holds an advisory lock until his transaction ends, and who does not get
    that is told so, and may ask again. No statement fails for it, which would break the
    transaction that it is in.
    """

    now = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"
    reserve = """
        WITH seen AS MATERIALIZED (
            SELECT 1 FROM {table} WHERE digest = %(digest)s::bytea AND expires_at > {now}
        ), turn AS MATERIALIZED (
            SELECT pg_try_advisory_xact_lock(%(lock)s::bigint) AS mine
            WHERE NOT EXISTS (SELECT 1 FROM seen)
        ), taken AS (
            INSERT INTO {table} AS held (digest, namespace, owner, expires_at)
            SELECT %(digest)s::bytea, %(namespace)s::varchar, %(owner)s::bigint,
                   {now} + %(lifetime)s::bigint
            FROM turn WHERE mine
            ON CONFLICT (digest) DO UPDATE
            SET namespace = excluded.namespace, owner = excluded.owner,
                expires_at = excluded.expires_at
            WHERE held.expires_at <= {now}
            RETURNING 1
        )
        SELECT CASE
            WHEN EXISTS (SELECT 1 FROM taken) THEN 'new'
            WHEN EXISTS (SELECT 1 FROM turn WHERE NOT mine) THEN 'undecided'
            ELSE 'seen'
        END
    """
    purge = """
        DELETE FROM {table} WHERE digest IN (
            SELECT digest FROM {table} WHERE expires_at <= {now}
            ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED
        )
    """

    def execute_reserve(
        self, cursor: Any, digest: bytes, namespace: str, owner: int, lifetime: int
    ) -> Outcome:
        """Insert a row that lives for so many milliseconds, and tell what came of it."""
        cursor.execute(
            self.sql("reserve"),
            {
                "digest": digest,
                "namespace": namespace,
                "owner": owner,
                "lifetime": lifetime,
                "lock": int.from_bytes(digest[:8], "big", signed=True),
            },
        )
        return Outcome(cursor.fetchone()[0])


class MySQLStatements(Statements):
    """For MySQL. Its counts of rows do not tell a new row from an old one, so it is read."""

    now = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)"
    # Each of these sees what the ones before it have set, so the expiry comes last.
    reserve = """
        INSERT INTO {table} (digest, namespace, owner, expires_at)
        VALUES (%s, %s, %s, {now} + %s)
        ON DUPLICATE KEY UPDATE
            namespace = IF(expires_at <= {now}, VALUES(namespace), namespace),
            owner = IF(expires_at <= {now}, VALUES(owner), owner),
            expires_at = IF(expires_at <= {now}, VALUES(expires_at), expires_at)
    """
    read_owner: ClassVar[str] = "SELECT owner FROM {table} WHERE digest = %s"
    purge = "DELETE FROM {table} WHERE expires_at <= {now} ORDER BY expires_at LIMIT %s"

    def execute_reserve(
        self, cursor: Any, digest: bytes, namespace: str, owner: int, lifetime: int
    ) -> Outcome:
        """Insert a row that lives for so many milliseconds, and tell what came of it."""
        cursor.execute(self.sql("reserve"), [digest, namespace, owner, lifetime])
        cursor.execute(self.sql("read_owner"), [digest])
        # A row that the snapshot of this transaction does not show is somebody else's.
        return Outcome.NEW if cursor.fetchone() == (owner,) else Outcome.SEEN


class MariaDBStatements(MySQLStatements):
    """For MariaDB, which takes a time limit for one statement."""

    reserve = (
        "SET STATEMENT innodb_lock_wait_timeout = {timeout} FOR " + MySQLStatements.reserve
    )


def statements_for(connection: BaseDatabaseWrapper, table: str, timeout: float) -> Statements:
    """Return the statements that a database understands."""
    if connection.vendor == "postgresql":
        kind: type[Statements] = PostgreSQLStatements
    elif connection.vendor == "mysql":
        is_mariadb = getattr(connection, "mysql_is_mariadb", False)
        kind = MariaDBStatements if is_mariadb else MySQLStatements
    else:
        kind = Statements
    return kind(connection.ops.quote_name(table), timeout)
