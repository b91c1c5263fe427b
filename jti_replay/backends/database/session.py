"""The schema and the role of a session of PostgreSQL, which decide what it sees."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from jti_replay.rollback.query_block import is_blocked

IDLE, IN_ERROR = 0, 3
"""What libpq says of a connection without a transaction, and of one that can only roll back."""

LATEST = "jti_replay_session"
"""The attribute of Django's connection that holds its latest answer."""

READ = "SELECT current_setting('search_path'), current_setting('role')"

ADOPT = """
    SELECT set_config('search_path', %s, false), set_config('role', %s, false)
    WHERE current_setting('search_path') <> %s OR current_setting('role') <> %s
"""


class Session(NamedTuple):
    """What a project may have set for a session: the schemas of a tenant, and a role."""

    search_path: str
    role: str


def session_of(connection: BaseDatabaseWrapper) -> Session | None:
    """
    Return the session of Django's connection. None if it has none that answers, or if the
    database is not PostgreSQL.

    The driver is asked, so that nothing of it shows in Django's log of queries.
    """
    if connection.vendor != "postgresql":
        return None
    if _sets_its_schema_itself(connection) and not is_blocked(connection):
        connection.cursor().close()
    raw: Any = connection.connection
    if raw is None:
        return None
    if raw.info.transaction_status == IN_ERROR:
        return getattr(connection, LATEST, None)  # It answers no query until its rollback.
    is_idle = raw.info.transaction_status == IDLE
    try:
        with raw.cursor() as cursor:
            cursor.execute(READ)
            session = Session(*cursor.fetchone())
        if is_idle and not raw.autocommit:
            raw.rollback()  # The query has begun a transaction that Django does not know of.
    except connection.Database.Error:  # type: ignore[attr-defined]
        return None
    setattr(connection, LATEST, session)
    return session


def adopt(connection: Any, session: Session) -> bool:
    """
    Let a private connection see what a session sees, also if it has to connect again. Return
    whether it saw anything else.
    """
    with connection.cursor() as cursor:
        cursor.execute(ADOPT, [*session, *session])
        has_changed = bool(cursor.fetchall())
    if has_changed:
        connection.connect = partial(_connect, connection, session)
    return has_changed


def _connect(connection: Any, session: Session) -> None:
    type(connection).connect(connection)
    adopt(connection, session)


def forget_tenant(connection: Any) -> None:
    """Keep the wrapper of a private connection from setting a schema at each query."""
    if _sets_its_schema_itself(connection):
        connection._cursor = BaseDatabaseWrapper._cursor.__get__(connection)  # type: ignore[attr-defined]


def _sets_its_schema_itself(connection: Any) -> bool:
    # django-tenants does it when a cursor is made.
    return type(connection)._cursor is not BaseDatabaseWrapper._cursor  # type: ignore[attr-defined]
