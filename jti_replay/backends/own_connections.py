"""Database connections beside Django's, which are in no transaction of a request."""

from __future__ import annotations

import threading
import weakref

from django.core.signals import request_finished, request_started
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


class OwnConnections:
    """
    A connection to one database for each thread, kept as long as Django keeps its own, and
    never longer than the thread.

    ``timeout`` (seconds) is how long SQLite waits for a lock on them.
    """

    def __init__(self, alias: str, timeout: float) -> None:
        self._alias = alias
        self._timeout = timeout
        self._local = threading.local()
        # As Django does it for its own (CONN_MAX_AGE).
        request_started.connect(self._close_old)
        request_finished.connect(self._close_old)

    def get(self) -> BaseDatabaseWrapper:
        """Return the connection of this thread."""
        held: _Held | None = getattr(self._local, "held", None)
        if held is None:
            held = self._local.held = _Held(self._make())
        return held.connection

    def close(self) -> None:
        """Close the connection of this thread. The others close as their threads end."""
        if hasattr(self._local, "held"):
            self._local.held.connection.close()

    def _make(self) -> BaseDatabaseWrapper:
        connection = connections[self._alias].copy()
        settings = connection.settings_dict
        settings["AUTOCOMMIT"] = True  # Else each statement would open a transaction.
        if connection.vendor == "sqlite":
            settings["OPTIONS"] = settings["OPTIONS"] | {"timeout": self._timeout}
        # The last of a thread's connections is closed by whoever clears the thread away.
        connection.inc_thread_sharing()
        return connection

    def _close_old(self, **kwargs: object) -> None:
        if hasattr(self._local, "held"):
            self._local.held.connection.close_if_unusable_or_obsolete()


class _Held:
    """Closes a connection when the thread that holds it has ended, which nobody else tells."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        weakref.finalize(self, connection.close)
