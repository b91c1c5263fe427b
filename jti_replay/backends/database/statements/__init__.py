"""The SQL of :class:`~jti_replay.backends.database.DatabaseCache`, one module a database."""

from __future__ import annotations

from typing import Any

from .base import Outcome, Row, Statements
from .mariadb import MariaDBStatements, OldMariaDBStatements
from .mysql import MySQLStatements
from .postgresql import PostgreSQLStatements
from .sqlite import SQLiteStatements

__all__ = ["SUPPORTED", "VENDORS", "Outcome", "Row", "Statements", "statements_for"]

TABLE = "jti_replay_reservedjti"
MEMORY_TABLE = "jti_replay_memorystart"

SUPPORTED = "SQLite, PostgreSQL, MySQL or MariaDB"

VENDORS: dict[str, type[Statements]] = {
    "sqlite": SQLiteStatements,
    "postgresql": PostgreSQLStatements,
    "mysql": MySQLStatements,
}
"""What Django calls the databases for which there are statements."""


def statements_for(connection: Any) -> Statements:
    """Return the statements that the database of a connection understands."""
    kind = VENDORS[connection.vendor]  # The system checks refuse all others.
    if kind is MySQLStatements and connection.mysql_is_mariadb:
        passes_over_locks = connection.features.has_select_for_update_skip_locked
        kind = MariaDBStatements if passes_over_locks else OldMariaDBStatements
    quote = connection.ops.quote_name
    return kind(quote(TABLE), quote(MEMORY_TABLE))
