"""Database connections of a cache's own, beside Django's and in no transaction of a request."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .session import adopt, forget_tenant, session_of
from .test_run import is_test_run
from .time_limit import TimeLimit

LONGEST_TIMEOUT = 86_400
"""Seconds. More than a driver, or a thread, may be able to count to is cut to this."""

POOLED_MAX_AGE = 600
"""Seconds for which a connection is kept where Django's come from a pool, as a pool does it."""

GRACE = 0.7
"""Seconds beyond ``timeout`` for the answer of a server that has itself waited that long."""


class PrivateConnections:
    """
    Connections to one database that no transaction of a request holds.

    Each serves one operation at a time, of any thread. They are not taken from a pool of
    Django's, so that requests that hold all of its connections do not wait for each other.
    Each sees the schema and the role that Django's connection of the thread sees.

    Django's ``CONN_MAX_AGE`` says how long one is kept for the next operation. In a test run
    none is kept: an open connection would keep Django from dropping the test database.

    ``timeout`` (seconds) bounds connecting, and the wait for an answer.
    """

    def __init__(self, alias: str, timeout: float) -> None:
        self._alias = alias
        self._timeout = timeout
        self._pid = os.getpid()
        # Its append() and pop() need no lock, which a fork could leave held.
        self._idle: list[BaseDatabaseWrapper] = []
        self._inherited: list[BaseDatabaseWrapper] = []
        # How often close() was called: what an operation still uses is not kept afterwards.
        self._closings = 0

    @contextmanager
    def use(self) -> Iterator[BaseDatabaseWrapper]:
        """
        Give a connection for one operation.

        Raises :exc:`django.db.OperationalError` if the database does not answer in time.
        """
        session = session_of(connections[self._alias])
        closings = self._closings
        connection = self._take() or self._make()
        has_adopted = False
        try:
            with TimeLimit(self._seconds + GRACE, connection) as limit:
                if connection.connection is not None and not (
                    _is_young(connection) and connection.is_usable()
                ):
                    disconnect(connection)  # It connects again when it is used.
                if session is not None:
                    has_adopted = adopt(connection, session)
                yield connection
        except BaseException:
            disconnect(connection)
            raise
        # What it adopted is not for the next operation, nor is a cancellation that comes late.
        is_kept = _is_young(connection) and not has_adopted and not limit.is_exceeded
        if is_kept and closings == self._closings and not is_test_run():
            self._idle.append(connection)
        else:
            disconnect(connection)

    def close(self) -> None:
        """Close the connections that no operation uses, and the others at its end."""
        self._closings += 1
        while connection := self._take():
            disconnect(connection)

    @property
    def _seconds(self) -> float:
        return min(self._timeout, LONGEST_TIMEOUT)

    def _take(self) -> BaseDatabaseWrapper | None:
        if self._pid != os.getpid():
            # After a fork they are still the parent's, and to close one would end its session.
            self._pid = os.getpid()
            self._inherited, self._idle = self._idle, []
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _make(self) -> BaseDatabaseWrapper:
        connection = connections[self._alias].copy()
        connection.inc_thread_sharing()
        forget_tenant(connection)
        settings = connection.settings_dict
        settings["AUTOCOMMIT"] = True  # Otherwise each statement would open a transaction.
        options: dict[str, Any] = settings["OPTIONS"]
        seconds = max(1, math.ceil(self._seconds))
        if connection.vendor == "sqlite":
            options["timeout"] = self._seconds
        elif connection.vendor == "postgresql":
            if options.pop("pool", None):
                settings["CONN_MAX_AGE"] = POOLED_MAX_AGE
            _limit(options, "connect_timeout", seconds)
        else:  # MySQL and MariaDB
            _limit(options, "connect_timeout", seconds)
            for name in ("read_timeout", "write_timeout"):
                _limit(options, name, seconds + math.ceil(GRACE))
        return connection


def disconnect(connection: Any) -> None:
    """
    Close a connection in any thread.

    An event loop may run in it, where Django's close() refuses to work. A failure is ignored:
    the connection is not used again.
    """
    with suppress(Exception):
        connection._close()
    connection.connection = None


def _limit(options: dict[str, Any], name: str, seconds: int) -> None:
    options[name] = min(int(options.get(name) or seconds), seconds)


def _is_young(connection: BaseDatabaseWrapper) -> bool:
    close_at: float | None = connection.close_at
    return close_at is None or time.monotonic() < close_at
