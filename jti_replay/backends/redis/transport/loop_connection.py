"""Connections of event loops: what they do beyond those of redis-py."""

from __future__ import annotations

import asyncio
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError

from .abortive_close import reset_when_closed

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection as Base
else:
    Base = object


class LoopConnection(Base):
    """
    A mixin for the asyncio connection classes of redis-py, which does for event loops what
    :class:`.thread_connection.ThreadConnection` does for threads.

    The time limit of a connection is that of each step while it is made. After that the
    exchange has a time limit, which is cheaper.
    """

    is_reply_due = False

    made_at = 0.0
    """The moment of :func:`time.monotonic` at which it began to connect."""

    _making: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it is connected, and its handshake is over."""
        return self._making is None and self.is_connected

    async def connect(self) -> None:
        """Connect, or wait until this is done. It goes on if the call is cancelled."""
        if self._making is None:
            self._making = asyncio.create_task(self._make())
            self._making.add_done_callback(_retrieve)
        making = self._making
        try:
            await asyncio.shield(making)
        except asyncio.CancelledError:
            if not making.cancelled():
                raise
            raise ConnectionError("The connection to Redis was closed.") from None
        finally:
            if making.done():
                self._making = None

    async def disconnect(self, nowait: bool = False, *args: Any, **kwargs: Any) -> None:
        """Close the connection."""
        making = self._making
        if making is not None and making is not asyncio.current_task():
            making.cancel()
            self._making = None
        if self.is_reply_due:
            self.is_reply_due, nowait = False, True
            if self._writer is not None:
                reset_when_closed(self._writer.get_extra_info("socket"))
                self._writer.transport.abort()
        await super().disconnect(nowait, *args, **kwargs)

    async def _make(self) -> None:
        self.made_at = time.monotonic()
        self.socket_timeout = self.socket_connect_timeout
        try:
            await super().connect()  # type: ignore[no-untyped-call]
        finally:
            self.socket_timeout = None


def _retrieve(making: asyncio.Task[None]) -> None:
    # Or asyncio would log an error that no call has waited for.
    if not making.cancelled():
        making.exception()


@cache
def loop_connection_class(connection_class: type[Any]) -> type[Any]:
    """Return a subclass of a connection class that is a :class:`LoopConnection`."""
    return type(connection_class.__name__, (LoopConnection, connection_class), {})
