"""Row-level security of PostgreSQL, which may hide reservations from a session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jti_replay.backends.findings import Finding

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def examine_row_security(connection: BaseDatabaseWrapper, table: str) -> Iterator[Finding]:
    """Refuse a table of which the role of this connection may not see every row."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_security_active(%s)", [connection.ops.quote_name(table)])
        is_active: bool = cursor.fetchone()[0]
    if not is_active:
        yield Finding.ok("row-security", False, "Every row of its table is visible.")
        return
    yield Finding.error(
        "row-security",
        True,
        "Row-level security is active on its table. A session from which a policy hides a "
        "row cannot reserve that jti, nor release it.",
        hint=f"Run 'ALTER TABLE {table} DISABLE ROW LEVEL SECURITY'. A row holds a digest, "
        "and no data of a tenant.",
        check="jti_replay.E041",
    )
