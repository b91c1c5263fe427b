"""What a cache in a database would survive."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from jti_replay.backends.database.statements import TABLE, statements_for
from jti_replay.backends.findings import Finding, Unusable
from jti_replay.backends.latency import examine_clock, examine_latency

from .row_security import examine_row_security
from .rows import examine_rows, fetch
from .sqlite import examine_sqlite
from .transactions import examine_transactions

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from jti_replay.backends.database.options import DatabaseOptions


def examine_database(
    connection: BaseDatabaseWrapper, options: DatabaseOptions, table: str = TABLE
) -> Iterator[Finding]:
    """Ask a database that answers what a cache in it would survive."""
    statements = statements_for(connection)
    yield from examine_latency(partial(fetch, connection, "SELECT 1"), None)
    yield from examine_clock(partial(_time, connection, statements.now))
    yield _version(connection)
    yield from examine_transactions(connection, options)
    if connection.vendor == "sqlite":
        yield from examine_sqlite(connection)
    if table not in connection.introspection.table_names():
        raise Unusable(
            Finding.error(
                "migrated",
                False,
                f"The database {connection.alias!r} has no table for it.",
                hint=f"Run 'manage.py migrate jti_replay --database={connection.alias}'. A "
                "router's allow_migrate() must not refuse it.",
                check="jti_replay.E016",
            )
        )
    yield Finding.ok("migrated", True, f"Its table is on the database {connection.alias!r}.")
    yield from examine_row_security(connection, table)
    yield from examine_rows(connection, statements)


def _time(connection: BaseDatabaseWrapper, now: str) -> float:
    return float(fetch(connection, f"SELECT {now}")) / 1000


def _version(connection: BaseDatabaseWrapper) -> Finding:
    number = ".".join(map(str, connection.get_database_version()))
    name = f"{connection.display_name} {number}"
    return Finding.ok("version", name, f"It is {name}.")
