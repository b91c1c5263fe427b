"""Database connections beside Django's, which are in no transaction of a request."""

from __future__ import annotations

from asgiref.local import Local
from django.core.signals import request_finished, request_started
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


class OwnConnections:
    """A connection to one database for each thread, kept as long as Django keeps its own."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._local = Local(thread_critical=True)
        # As Django does it for its own (CONN_MAX_AGE).
        request_started.connect(self._close_old)
        request_finished.connect(self._close_old)

    def get(self) -> BaseDatabaseWrapper:
        """Return the connection of this thread."""
        connection: BaseDatabaseWrapper | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connections.create_connection(self._alias)
            self._local.connection = connection
        return connection

    def close(self) -> None:
        """Close the connection of this thread. The others close as their threads end."""
        if hasattr(self._local, "connection"):
            self._local.connection.close()

    def _close_old(self, **kwargs: object) -> None:
        if hasattr(self._local, "connection"):
            self._local.connection.close_if_unusable_or_obsolete()
