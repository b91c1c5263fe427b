"""Statements on the driver's own connection, which Django neither counts nor wraps."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def execute(connection: BaseDatabaseWrapper, sql: str, **options: Any) -> None:
    """
    Execute a statement on an open connection of Django's, whatever its flags say.

    Raises the exceptions of :mod:`django.db`. The options are those of the driver.
    """
    with connection.wrap_database_errors, closing(connection.connection.cursor()) as cursor:
        cursor.execute(sql, **options)


class Savepoint:
    """A savepoint of an open transaction, of which Django knows nothing."""

    __slots__ = ("_connection", "_name")

    def __init__(self, connection: BaseDatabaseWrapper, name: str) -> None:
        self._connection = connection
        self._name = name

    def create(self) -> None:
        """Create it, within those that are there already."""
        execute(self._connection, self._connection.ops.savepoint_create_sql(self._name))

    def release(self) -> None:
        """Release it. Raises :exc:`~django.db.DatabaseError` if it is not there."""
        execute(self._connection, self._connection.ops.savepoint_commit_sql(self._name))

    def roll_back(self) -> None:
        """Undo what was done since it was created. It stays there."""
        execute(self._connection, self._connection.ops.savepoint_rollback_sql(self._name))
