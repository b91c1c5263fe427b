"""
The statements of :class:`~jti_replay.backends.database.DatabaseCache`, by database.

A reserve inserts the row, takes it over if it has expired, or leaves it alone. Time is the
database's own, so that the clocks of hosts do not matter; what goes in is how long to live.
"""

from __future__ import annotations

import enum
import math
from typing import Any, ClassVar, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

SAVEPOINT = "jti_replay_reserve"


class Outcome(enum.Enum):
    """What a reserve has found."""

    NEW = "new"
    SEEN = "seen"
    UNDECIDED = "undecided"
    """An open transaction has reserved the jti, and may still roll back."""
    HIDDEN = "hidden"
    """The snapshot of this transaction may hide a row, which an insert would fail for."""


class Row(NamedTuple):
    """What a reserve writes."""

    digest: bytes
    namespace: str
    owner: int
    lifetime: int
    """Milliseconds."""


class Statements:
    """The SQL for one database. It is what SQLite understands."""

    # Whole milliseconds. The fraction of a day is not exact enough to cut the rest off.
    now: ClassVar[str] = "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
    reserve: str = """
        INSERT INTO {table} (digest, namespace, owner, expires_at)
        VALUES (%s, %s, %s, {now} + %s)
        ON CONFLICT (digest) DO UPDATE
        SET namespace = excluded.namespace, owner = excluded.owner,
            expires_at = excluded.expires_at
        WHERE {table}.expires_at <= {now}
    """
    look: str = "SELECT COUNT(*) FROM {table} WHERE digest = %s AND expires_at > {now}"
    release: str = "DELETE FROM {table} WHERE digest = %s AND owner = %s AND expires_at > {now}"
    release_any: str = "DELETE FROM {table} WHERE digest = %s AND expires_at > {now}"
    count: str = "SELECT COUNT(*) FROM {table} WHERE expires_at > {now}"
    backlog: str = "SELECT COUNT(*) FROM {table} WHERE expires_at <= {now}"
    purge: str = """
        DELETE FROM {table} WHERE digest IN (
            SELECT digest FROM {table} WHERE expires_at <= {now} ORDER BY expires_at LIMIT %s
        )
    """
    since: str = "SELECT COALESCE(MAX(complete_since), 0) FROM {memory}"
    # Rounded up: nothing is known of what came before.
    begin: str = """
        INSERT INTO {memory} (id, complete_since) VALUES (1, {now} + 1) ON CONFLICT DO NOTHING
    """
    restart_memory: str = "UPDATE {memory} SET complete_since = {now} + 1"
    names: ClassVar[tuple[str, ...]] = (
        "reserve",
        "look",
        "release",
        "release_any",
        "count",
        "backlog",
        "purge",
        "since",
        "begin",
        "restart_memory",
    )

    def __init__(self, table: str, memory: str, timeout: float) -> None:
        words = {
            "table": table,
            "memory": memory,
            "now": self.now,
            "timeout": math.ceil(timeout),  # MariaDB counts whole seconds.
            # PostgreSQL takes 0 for no limit, and has a largest one.
            "milliseconds": min(max(1, math.ceil(timeout * 1000)), 2**31 - 1),
        }
        for name in self.names:
            setattr(self, name, " ".join(getattr(self, name).format(**words).split()))

    def execute_reserve(
        self, cursor: Any, row: Row, *, joined: bool, looked: bool = False
    ) -> Outcome:
        """
        Insert a row, and tell what came of it. ``joined`` says that a transaction is open, and
        ``looked`` that the first attempt in it was answered :attr:`Outcome.HIDDEN`.
        """
        cursor.execute(self.reserve, row)
        return Outcome.NEW if cursor.rowcount == 1 else Outcome.SEEN

    def lost_a_race(self, error: Exception) -> bool:
        """Return whether a statement failed for another one, and did nothing, so that it may
        be sent again outside a transaction.
        """
        return False


class PostgreSQLStatements(Statements):
    """
    For PostgreSQL.

    To insert a row that an open transaction has inserted would wait for it without end. So
    whoever inserts holds an advisory lock until his transaction ends. Outside a transaction
    the lock itself is waited for, up to a limit at which the statement fails. That would
    break a transaction: in one, who does not get the lock is told so, and may ask again.

    Above READ COMMITTED an insert fails if it meets a row that was committed after the
    transaction's snapshot. There it is made in a savepoint, and that failure says that the jti
    has been seen. A SERIALIZABLE transaction does not even read: on one page with the rows of
    others, that would make it fail for jtis that are not its own.
    """

    # Not clock_timestamp(), by which no index can be searched.
    now = "(date_part('epoch', statement_timestamp()) * 1000)::bigint"
    # The values are computed before the insert, and each of these functions before the one
    # that it is an argument of: the limit is set, for this statement, then the lock is taken.
    # VALUES, because a SELECT is dearer to plan. A row of the same owner is that of a first
    # attempt whose answer was lost.
    reserve = """
        INSERT INTO {table} AS held (digest, namespace, owner, expires_at)
        VALUES (%(digest)s, %(namespace)s, %(owner)s, CASE WHEN pg_advisory_xact_lock(
            CASE WHEN set_config('lock_timeout', '{milliseconds}', true) IS NOT NULL
            THEN %(lock)s END
        ) IS NOT NULL THEN {now} + %(lifetime)s END)
        ON CONFLICT (digest) DO UPDATE
        SET namespace = excluded.namespace, owner = excluded.owner,
            expires_at = excluded.expires_at
        WHERE held.expires_at <= excluded.expires_at - %(lifetime)s
            OR held.owner = excluded.owner
    """
    # It returns who holds the row, or nothing if somebody else has the lock, or above READ
    # COMMITTED. A row that has not expired is set to what it is.
    reserve_joined: str = """
        INSERT INTO {table} AS held (digest, namespace, owner, expires_at)
        SELECT %(digest)s, %(namespace)s, %(owner)s, {now} + %(lifetime)s
        WHERE current_setting('transaction_isolation') LIKE 'read %%'
            AND pg_try_advisory_xact_lock(%(lock)s)
        ON CONFLICT (digest) DO UPDATE SET
            owner = CASE WHEN held.expires_at <= excluded.expires_at - %(lifetime)s
                THEN excluded.owner ELSE held.owner END,
            expires_at = CASE WHEN held.expires_at <= excluded.expires_at - %(lifetime)s
                THEN excluded.expires_at ELSE held.expires_at END
        RETURNING owner
    """
    decide: str = """
        WITH seen AS MATERIALIZED (
            SELECT 1 FROM {table} WHERE digest = %(digest)s::bytea AND expires_at > {now}
            AND current_setting('transaction_isolation') <> 'serializable'
        ), turn AS MATERIALIZED (
            SELECT pg_try_advisory_xact_lock(%(lock)s::bigint) AS mine
            WHERE NOT EXISTS (SELECT 1 FROM seen)
        ), taken AS (
            INSERT INTO {table} AS held (digest, namespace, owner, expires_at)
            SELECT %(digest)s::bytea, %(namespace)s::varchar, %(owner)s::bigint,
                   {now} + %(lifetime)s::bigint
            FROM turn WHERE mine AND (
                %(looked)s::boolean
                OR current_setting('transaction_isolation') LIKE 'read %%'
            )
            ON CONFLICT (digest) DO UPDATE
            SET namespace = excluded.namespace, owner = excluded.owner,
                expires_at = excluded.expires_at
            WHERE held.expires_at <= {now}
            RETURNING 1
        )
        SELECT CASE
            WHEN EXISTS (SELECT 1 FROM taken) THEN 'new'
            WHEN EXISTS (SELECT 1 FROM turn WHERE NOT mine) THEN 'undecided'
            WHEN EXISTS (SELECT 1 FROM turn) AND NOT %(looked)s::boolean
                AND current_setting('transaction_isolation') NOT LIKE 'read %%' THEN 'hidden'
            ELSE 'seen'
        END
    """
    names = (*Statements.names, "reserve_joined", "decide")
    # A range with both ends is taken for a small one by a planner that has no statistics yet,
    # and it uses the index. Otherwise it would read and sort all rows.
    purge = """
        DELETE FROM {table} WHERE digest IN (
            SELECT digest FROM {table} WHERE expires_at BETWEEN 0 AND {now}
            ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED
        )
    """

    def execute_reserve(
        self, cursor: Any, row: Row, *, joined: bool, looked: bool = False
    ) -> Outcome:
        """Insert a row, and tell what came of it."""
        lock = int.from_bytes(row.digest[:8], "big", signed=True)
        parameters = {**row._asdict(), "lock": lock, "looked": looked}
        if not joined:
            cursor.execute(self.reserve, parameters)
            return Outcome.NEW if cursor.rowcount == 1 else Outcome.SEEN
        if not looked:
            cursor.execute(self.reserve_joined, parameters)
            if holder := cursor.fetchone():
                return Outcome.NEW if holder == (row.owner,) else Outcome.SEEN
            return self._decide(cursor, parameters)
        return self._decide_in_savepoint(cursor, parameters)

    def _decide(self, cursor: Any, parameters: dict[str, Any]) -> Outcome:
        cursor.execute(self.decide, parameters)
        return Outcome(cursor.fetchone()[0])

    def _decide_in_savepoint(self, cursor: Any, parameters: dict[str, Any]) -> Outcome:
        cursor.execute(f"SAVEPOINT {SAVEPOINT}")
        try:
            outcome = self._decide(cursor, parameters)
        except Exception as error:
            if not _is_of_the_snapshot(error):
                raise
            cursor.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            outcome = Outcome.SEEN
        cursor.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
        return outcome

    def lost_a_race(self, error: Exception) -> bool:
        """Return whether it is a serialization failure, a deadlock, or the lock's limit."""
        return _sqlstate(error) in {"40001", "40P01", "55P03"}


def _sqlstate(error: Exception) -> str | None:
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


def _is_of_the_snapshot(error: Exception) -> bool:
    """
    Return whether a statement failed for a row that is newer than the snapshot.

    The failures of concurrent SERIALIZABLE transactions have the same SQLSTATE, and come from
    predicate.c. They say nothing of a row.
    """
    source: str | None = getattr(getattr(error.__cause__, "diag", None), "source_file", None)
    return _sqlstate(error) == "40001" and source != "predicate.c"


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
    begin = "INSERT IGNORE INTO {memory} (id, complete_since) VALUES (1, {now} + 1)"
    read_owner: str = "SELECT owner FROM {table} WHERE digest = %s"
    purge = "DELETE FROM {table} WHERE expires_at <= {now} ORDER BY expires_at LIMIT %s"
    names = (*Statements.names, "read_owner")

    def execute_reserve(
        self, cursor: Any, row: Row, *, joined: bool, looked: bool = False
    ) -> Outcome:
        """Insert a row, and tell what came of it."""
        cursor.execute(self.reserve, row)
        cursor.execute(self.read_owner, [row.digest])
        # A row that the snapshot of this transaction does not show is somebody else's.
        return Outcome.NEW if cursor.fetchone() == (row.owner,) else Outcome.SEEN

    def lost_a_race(self, error: Exception) -> bool:
        """Return whether it is a deadlock."""
        return error.args[:1] == (1213,)


class MariaDBStatements(MySQLStatements):
    """For MariaDB, which tells the owner at once, and takes a time limit for one statement."""

    reserve = (
        "SET STATEMENT innodb_lock_wait_timeout = {timeout} FOR "
        + MySQLStatements.reserve
        + "RETURNING owner"
    )

    def execute_reserve(
        self, cursor: Any, row: Row, *, joined: bool, looked: bool = False
    ) -> Outcome:
        """Insert a row, and tell what came of it."""
        cursor.execute(self.reserve, row)
        return Outcome.NEW if cursor.fetchone() == (row.owner,) else Outcome.SEEN


def statements_for(
    connection: BaseDatabaseWrapper, table: str, memory: str, timeout: float
) -> Statements:
    """Return the statements that a database understands, for tables of these names."""
    if connection.vendor == "postgresql":
        kind: type[Statements] = PostgreSQLStatements
    elif connection.vendor == "mysql":
        is_mariadb = getattr(connection, "mysql_is_mariadb", False)
        kind = MariaDBStatements if is_mariadb else MySQLStatements
    else:
        kind = Statements
    quote = connection.ops.quote_name
    return kind(quote(table), quote(memory), timeout)
