"""The statements for PostgreSQL, which decide by an advisory lock for each jti."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .base import Outcome, Row, Statements

SAVEPOINT = "jti_replay_reserve"

LONGEST_LIMIT = 2**31 - 1
"""Milliseconds. PostgreSQL cannot count further, and takes 0 for no limit."""


class PostgreSQLStatements(Statements):
    """
    For PostgreSQL.

    To insert a row that an open transaction has inserted or deleted would wait for it without
    limit. So every statement that touches a jti takes an advisory lock, which is held until
    its transaction ends. Outside a transaction a reserve waits for the lock itself, up to a
    limit at which the statement fails. That would break a transaction. In one, a reserve
    that does not get the lock says so, and may be tried again.

    Above READ COMMITTED an insert fails if it meets a row that was committed after the
    transaction's snapshot. There it is made in a savepoint, and that failure says that the jti
    has been seen. A SERIALIZABLE transaction does not even read: on one page with the rows of
    others, that would make it fail for jtis that are not its own.
    """

    # Not clock_timestamp(), by which no index can be searched.
    now: ClassVar[str] = "(date_part('epoch', statement_timestamp()) * 1000)::bigint"
    # The values are computed before the insert, and each of these functions before the one
    # that it is an argument of: the limit is set, for this statement, then the lock is taken.
    # VALUES, because a SELECT costs more to plan. A row of the same owner is that of a first
    # attempt whose answer was lost.
    insert = """
        INSERT INTO {table} AS held (digest, namespace, owner, expires_at)
        VALUES (%(digest)s, %(namespace)s, %(owner)s, CASE WHEN pg_advisory_xact_lock(
            CASE WHEN set_config('lock_timeout', %(limit)s::text, true) IS NOT NULL
            THEN %(lock)s END
        ) IS NOT NULL THEN {now} + %(lifetime)s END)
        ON CONFLICT (digest) DO UPDATE
        SET namespace = excluded.namespace, owner = excluded.owner,
            expires_at = excluded.expires_at
        WHERE held.expires_at <= excluded.expires_at - %(lifetime)s
            OR held.owner = excluded.owner
    """
    # It returns who holds the row, or nothing if another transaction has the lock, or above
    # READ COMMITTED, where it must not take the lock: CASE, because AND has no order. A row
    # that has not expired is set to what it is.
    insert_joined: str = """
        INSERT INTO {table} AS held (digest, namespace, owner, expires_at)
        SELECT %(digest)s, %(namespace)s, %(owner)s, {now} + %(lifetime)s
        WHERE CASE WHEN current_setting('transaction_isolation') LIKE 'read %%'
            THEN pg_try_advisory_xact_lock(%(lock)s) ELSE false END
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
            WHEN EXISTS (SELECT 1 FROM taken) THEN 'done'
            WHEN EXISTS (SELECT 1 FROM turn WHERE NOT mine) THEN 'undecided'
            WHEN EXISTS (SELECT 1 FROM turn) AND NOT %(looked)s::boolean
                AND current_setting('transaction_isolation') NOT LIKE 'read %%' THEN 'hidden'
            ELSE 'not done'
        END
    """
    # The limit is for rows that somebody else has locked without the advisory lock. In a
    # transaction it would stay in force until its end.
    release = """
        WITH turn AS MATERIALIZED (
            SELECT pg_try_advisory_xact_lock(%(lock)s::bigint) AS mine, CASE
                WHEN NOT %(joined)s::boolean
                THEN set_config('lock_timeout', %(limit)s::text, true)
            END
        ), gone AS (
            DELETE FROM {table} USING turn WHERE mine AND digest = %(digest)s::bytea
                AND owner = COALESCE(%(owner)s::bigint, owner) AND expires_at > {now}
            RETURNING 1
        )
        SELECT CASE
            WHEN EXISTS (SELECT 1 FROM gone) THEN 'done'
            WHEN (SELECT mine FROM turn) THEN 'not done'
            ELSE 'undecided'
        END
    """
    # A range with both ends is taken for a small one by a planner that has no statistics yet,
    # and it uses the index. Otherwise it would read and sort all rows.
    purge = """
        DELETE FROM {table} WHERE digest IN (
            SELECT digest FROM {table} WHERE expires_at BETWEEN 0 AND {now}
            ORDER BY expires_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
        )
    """
    names = (*Statements.names, "insert_joined", "decide")

    def execute_reserve(
        self, cursor: Any, row: Row, *, wait: float, joined: bool, looked: bool
    ) -> Outcome:
        """Insert a row, and tell what came of it."""
        parameters = {
            **row._asdict(),
            "lock": lock_of(row.digest),
            "looked": looked,
            **self.limits(wait),
        }
        if not joined:
            cursor.execute(self.insert, parameters)
            return Outcome.DONE if cursor.rowcount == 1 else Outcome.NOT_DONE
        if looked:
            return self._decide_in_savepoint(cursor, parameters)
        cursor.execute(self.insert_joined, parameters)
        if holder := cursor.fetchone():
            return Outcome.DONE if holder == (row.owner,) else Outcome.HELD
        return self._decide(cursor, parameters)

    def _decide(self, cursor: Any, parameters: dict[str, Any]) -> Outcome:
        cursor.execute(self.decide, parameters)
        return Outcome(cursor.fetchone()[0])

    def _decide_in_savepoint(self, cursor: Any, parameters: dict[str, Any]) -> Outcome:
        cursor.execute(f"SAVEPOINT {SAVEPOINT}")
        try:
            outcome = self._decide(cursor, parameters)
        except Exception as error:
            if not is_of_the_snapshot(error):
                raise
            cursor.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            outcome = Outcome.NOT_DONE
        cursor.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
        return outcome

    def execute_release(
        self, cursor: Any, digest: bytes, owner: int | None, *, wait: float, joined: bool
    ) -> Outcome:
        """Delete a row, and tell what came of it."""
        parameters = {
            "digest": digest,
            "owner": owner,
            "lock": lock_of(digest),
            "joined": joined,
            **self.limits(wait),
        }
        cursor.execute(self.release, parameters)
        return Outcome(cursor.fetchone()[0])

    def limits(self, wait: float) -> dict[str, int]:
        """Return the limit in milliseconds."""
        return {"limit": min(max(1, math.ceil(wait * 1000)), LONGEST_LIMIT)}

    def lost_a_race(self, error: Exception) -> bool:
        """Return whether it is a serialization failure, a deadlock, or the lock's limit."""
        return _sqlstate(error) in {"40001", "40P01", "55P03"}


def _sqlstate(error: Exception) -> str | None:
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


def is_of_the_snapshot(error: Exception) -> bool:
    """
    Return whether a statement failed for a row that is newer than the snapshot.

    The failures of concurrent SERIALIZABLE transactions have the same SQLSTATE, and come from
    predicate.c. They say nothing of a row.
    """
    source: str | None = getattr(getattr(error.__cause__, "diag", None), "source_file", None)
    return _sqlstate(error) == "40001" and source != "predicate.c"


def lock_of(digest: bytes) -> int:
    """Return the key of the advisory lock for a jti."""
    return int.from_bytes(digest[:8], "big", signed=True)
