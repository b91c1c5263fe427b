"""The transactions that a cache in a database is part of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jti_replay.backends.findings import Finding

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from jti_replay.backends.database.options import DatabaseOptions

ISOLATION = {
    "postgresql": "SHOW transaction_isolation",
    "mysql": "SHOW SESSION VARIABLES WHERE Variable_name IN "
    "('transaction_isolation', 'tx_isolation')",
}
"""What a database is asked. The last column of the answer is the level."""


def examine_transactions(
    connection: BaseDatabaseWrapper, options: DatabaseOptions
) -> Iterator[Finding]:
    """Report how transactions are isolated, and whether a jti is part of them."""
    level = _isolation(connection)
    # At none of them is a jti accepted twice: the primary key decides, whatever is visible.
    yield Finding.ok("isolation", level, f"Transactions are isolated as {level!r}.")
    yield Finding.ok(
        "join",
        options.join,
        "The jti is committed with the work that it pays for, or not at all."
        if options.join
        else "The jti stands at once, whatever the transaction does, and is then released.",
    )
    atomic = bool(connection.settings_dict["ATOMIC_REQUESTS"])
    yield Finding.ok(
        "atomic-requests",
        atomic,
        "Django opens a transaction for each request."
        if atomic
        else "@reserve_jti opens a transaction for a view (atomic=True).",
    )


def _isolation(connection: BaseDatabaseWrapper) -> str:
    statement = ISOLATION.get(connection.vendor)
    if statement is None:
        return "serializable"  # SQLite has no other, and one writer at a time.
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return str(cursor.fetchone()[-1]).lower().replace("-", " ")
