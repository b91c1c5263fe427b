"""Connections of threads: what they do beyond those of redis-py."""

from __future__ import annotations

import builtins
import os
import threading
import time
from concurrent.futures import Future
from functools import cache
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError, TimeoutError

from .abortive_close import reset_when_closed

if TYPE_CHECKING:
    from redis.connection import AbstractConnection as Base
else:
    Base = object


class Patience(threading.local):
    """How long the calls of one thread wait for a connection."""

    deadline: float | None = None
    """A moment of :func:`time.monotonic`, None for any time."""


class ThreadConnection(Base):
    """
    A mixin for the connection classes of redis-py.

    A connection is made in a thread of its own, so that it outlives a call that has no more
    time for it: the next call finds it ready. One that is closed while a reply is due is
    reset, so that the kernel does not deliver later what was sent.
    """

    patience = Patience()
    is_reply_due = False

    made_at = 0.0
    """The moment of :func:`time.monotonic` at which it began to connect."""

    _making: Future[None] | None = None
    _is_unused = False

    def connect(self) -> None:
        """Connect, or wait until this is done, for as long as the call has time."""
        making = self._making
        if making is None:
            if self.is_connected:
                return
            making = self._start()
        deadline = self.patience.deadline
        seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            error = making.exception(seconds)
        except builtins.TimeoutError:
            raise TimeoutError("The connection to Redis was not made in time.") from None
        self._making = None
        if error is not None:
            raise error

    def is_usable(self) -> bool:
        """Return whether it is connected, as far as can be told without sending anything."""
        try:
            return self.is_connected and not super().can_read()
        except (RedisError, OSError):
            return False

    def can_read(self, timeout: float = 0) -> bool:
        """Return whether there is something to read, which no call waits for."""
        if self._is_unused:
            # That can only be what a server with TLS says after the handshake.
            self._is_unused = False
            return False
        return super().can_read(timeout)

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        """Close the connection."""
        if self.is_reply_due:
            self.is_reply_due = False
            connected = self._get_socket()
            if connected is not None and os.getpid() == self.pid:
                reset_when_closed(connected)
                connected.close()  # Ahead of redis-py, which shuts it down first.
        super().disconnect(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _start(self) -> Future[None]:
        making = Future[None]()
        self.made_at, self._is_unused = time.monotonic(), True
        arguments = (super().connect, making)
        try:
            self._making = making
            threading.Thread(
                target=_settle, args=arguments, name="jti_replay.connect", daemon=True
            ).start()
        except RuntimeError:  # The interpreter shuts down, or there are too many threads.
            _settle(*arguments)
        except BaseException:
            # A signal handler's. A thread whose start it interrupts may end before it runs.
            if making.cancel():
                self._making = None
            raise
        return making


def _settle(connect: Any, making: Future[None]) -> None:
    if not making.set_running_or_notify_cancel():
        return
    try:
        connect()
    except BaseException as error:
        making.set_exception(error)
    else:
        making.set_result(None)


@cache
def thread_connection_class(connection_class: type[Any]) -> type[Any]:
    """Return a subclass of a connection class that is a :class:`ThreadConnection`."""
    return type(connection_class.__name__, (ThreadConnection, connection_class), {})
