"""A limit of time for what the drivers of PostgreSQL wait for without one."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from django.db import OperationalError

from jti_replay.conf.forks import new_lock

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

CUT_AFTER = 0.3
"""Seconds that a server has to obey a cancellation before its connection is cut off."""


class TimeLimit:
    """
    Ends what a block waits for on a connection after so many seconds.

    The statement is cancelled. If that does not help, the socket is shut down. The block then
    raises :exc:`django.db.OperationalError`.

    The drivers of PostgreSQL wait for an answer without limit. A ``statement_timeout`` begins
    when the server does, and a pooler may let the statement wait before. The drivers of the
    other databases have limits of their own.
    """

    def __init__(self, seconds: float, connection: BaseDatabaseWrapper) -> None:
        self.is_exceeded = False
        self._seconds = seconds
        self._connection: Any = connection
        self._over = threading.Event()
        self._lock = new_lock()

    def __enter__(self) -> Self:
        if self._connection.vendor == "postgresql":
            try:
                threading.Thread(
                    target=self._watch, name="jti_replay database time limit", daemon=True
                ).start()
            except BaseException:
                self._over.set()  # Interrupted. The thread may run, and nothing would end it.
                raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        with self._lock:  # The socket is not shut down after this.
            self._over.set()
        if self.is_exceeded and isinstance(error, Exception):
            raise OperationalError(
                f"The database {self._connection.alias!r} has not answered within "
                f"{self._seconds:g} seconds."
            ) from error

    def _watch(self) -> None:
        if self._over.wait(self._seconds):
            return
        self.is_exceeded = True
        # In a thread of its own, because it needs an answer of the server, too.
        threading.Thread(
            target=self._cancel, args=[self._connection.connection], daemon=True
        ).start()
        # Again and again, because the block may connect late.
        while not self._over.wait(CUT_AFTER):
            with self._lock:
                if not self._over.is_set():
                    self._cut_off()

    def _cancel(self, connection: Any) -> None:
        with suppress(Exception):
            getattr(connection, "cancel_safe", connection.cancel)()

    def _cut_off(self) -> None:
        # The driver may close it at any moment.
        with suppress(Exception):
            number = self._connection.connection.fileno()
            with socket.socket(fileno=os.dup(number)) as its_socket:
                # The number may have passed to another file before it was copied.
                if self._connection.connection.fileno() == number:
                    its_socket.shutdown(socket.SHUT_RDWR)
