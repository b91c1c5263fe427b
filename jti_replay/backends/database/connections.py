"""Database connections beside Django's, which are in no transaction of a request."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import suppress
from typing import Any

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
        connection = self._present()
        if connection is None:
            connection = self._make()
            self._local.held = _Held(connection)
        return connection

    def close(self) -> None:
        """Close the connection of this thread. The others close as their threads end."""
        if connection := self._present():
            connection.close()

    def _present(self) -> BaseDatabaseWrapper | None:
        held: _Held | None = getattr(self._local, "held", None)
        # After a fork it is still the parent's.
        return held.connection if held and held.pid == os.getpid() else None

    def _make(self) -> BaseDatabaseWrapper:
        connection = connections[self._alias].copy()
        settings = connection.settings_dict
        settings["AUTOCOMMIT"] = True  # Else each statement would open a transaction.
        if connection.vendor == "sqlite":
            settings["OPTIONS"] = settings["OPTIONS"] | {"timeout": self._timeout}
        return connection

    def _close_old(self, **kwargs: object) -> None:
        if connection := self._present():
            connection.close_if_unusable_or_obsolete()


class _Held:
    """Closes a connection when the thread that holds it has ended, which nobody else tells."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.pid = os.getpid()
        weakref.finalize(self, _abandon, connection, self.pid)


def _abandon(connection: Any, pid: int) -> None:
    # Garbage is collected in any thread, also in that of an event loop, where close() would
    # refuse to work. Who is told of a failure here could do nothing about it.
    if pid == os.getpid():
        with suppress(Exception):
            connection._close()
        connection.connection = None
