"""What a cache in a database would survive."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from jti_replay.backends.findings import Finding, Unusable
from jti_replay.backends.latency import examine_clock, examine_latency

from .row_security import examine_row_security
from .rows import examine_rows
from .sqlite import examine_sqlite
from .transactions import examine_transactions

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from jti_replay.backends.database.cache import DatabaseCache


def examine_database(cache: DatabaseCache, table: str) -> Iterator[Finding]:
    """Ask the database over the connection that the cache itself would use."""
    with cache._connection() as connection:
        connection.ensure_connection()
        yield Finding.ok("reachable", True, "It answers.")
        yield from _examine(cache, connection, table)


def _examine(
    cache: DatabaseCache, connection: BaseDatabaseWrapper, table: str
) -> Iterator[Finding]:
    yield from examine_latency(partial(_fetch, connection, "SELECT 1"), None)
    yield from examine_clock(partial(_time, connection, cache.clock))
    yield _version(connection)
    yield from examine_transactions(cache, connection)
    if connection.vendor == "sqlite":
        yield from examine_sqlite(connection)
    if table not in connection.introspection.table_names():
        raise Unusable(
            Finding.error(
                "migrated",
                False,
                f"The database {cache.location!r} has no table for it.",
                hint=f"Run 'manage.py migrate jti_replay --database={cache.location}'. A "
                "router's allow_migrate() must not refuse it.",
                check="jti_replay.E016",
            )
        )
    yield Finding.ok("migrated", True, f"Its table is on the database {cache.location!r}.")
    yield from examine_row_security(connection, table)
    yield from examine_rows(cache)


def _fetch(connection: BaseDatabaseWrapper, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def _time(connection: BaseDatabaseWrapper, now: str) -> float:
    return float(_fetch(connection, f"SELECT {now}")) / 1000


def _version(connection: BaseDatabaseWrapper) -> Finding:
    number = ".".join(map(str, connection.get_database_version()))
    name = f"{connection.display_name} {number}"
    return Finding.ok("version", name, f"It is {name}.")
