"""The connections of one event loop to one Redis. :mod:`.thread_connections` is for threads."""

from __future__ import annotations

import asyncio
import builtins
import time
from collections.abc import Sequence
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import ResponseError, TimeoutError

from jti_replay.backends.redis.scripts import Command

from .call import Call
from .loop_connection import loop_connection_class
from .packing import packed
from .replies import is_from_replica


class LoopConnections:
    """
    The connections of a pool of redis-py. Tasks wait if all of them are in use.

    ``wait`` is the longest time, in seconds, for the replies once there is a connection. One
    time limit for all steps of an exchange is cheaper than one for each. So is a semaphore,
    compared with redis-py's pool that blocks.
    """

    def __init__(self, pool: Any, wait: float) -> None:  # redis-py does not give its types.
        self._pool = pool
        self._wait = wait
        # Those that are connected and free, as for threads.
        self._ready: list[Any] = []
        self._keeps_ready = type(pool) is ConnectionPool
        self._free = asyncio.Semaphore(pool.max_connections)
        pool.connection_class = loop_connection_class(pool.connection_class)

    async def exchange(self, commands: Sequence[Command], call: Call) -> list[Any]:
        """Async version of :meth:`.thread_connections.ThreadConnections.exchange`."""
        try:
            if self._free.locked():
                async with asyncio.timeout(call.time_left()):
                    await self._free.acquire()
            else:
                await self._free.acquire()
            try:
                async with asyncio.timeout(min(call.time_left(), self._wait)) as limit:
                    return await self._exchange(commands, call, limit)
            finally:
                self._free.release()
        except builtins.TimeoutError as error:
            raise TimeoutError("Redis has not answered in time.") from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()
        if isinstance(self._pool, SentinelConnectionPool):
            for sentinel in self._pool.sentinel_manager.sentinels:
                await sentinel.aclose()

    async def _exchange(
        self, commands: Sequence[Command], call: Call, limit: asyncio.Timeout
    ) -> list[Any]:
        connection = self._ready.pop() if self._ready else self._pool.get_available_connection()
        try:
            if not await _is_usable(connection, call):
                await self._connect(connection, call, limit)
            return await self._send(connection, commands, call)
        finally:
            if self._keeps_ready and connection.is_ready:
                self._ready.append(connection)
            else:
                await self._pool.release(connection)

    async def _connect(self, connection: Any, call: Call, limit: asyncio.Timeout) -> None:
        if connection.is_ready:
            await connection.disconnect(nowait=True)
        loop, start = asyncio.get_running_loop(), time.monotonic()
        limit.reschedule(loop.time() + call.time_left())
        await self._pool.ensure_connection(connection)
        call.last_step = time.monotonic() - start
        limit.reschedule(loop.time() + min(call.time_left(), self._wait))

    async def _send(
        self, connection: Any, commands: Sequence[Command], call: Call
    ) -> list[Any]:
        start = time.monotonic()
        try:
            connection.is_reply_due = True
            call.sent += 1
            call.unanswered += 1
            await connection.send_packed_command(packed(commands, connection))
            replies = [await _reply(connection) for _ in commands]
            connection.is_reply_due = False
            call.unanswered -= 1
            call.last_step = time.monotonic() - start
        except BaseException:
            # A reply that is still to come would be taken for that of the next command.
            await connection.disconnect(nowait=True)
            raise
        if is_from_replica(replies[0]):
            await connection.disconnect(nowait=True)
        return replies


async def _is_usable(connection: Any, call: Call) -> bool:
    """Return whether it is connected, as far as can be told without sending anything."""
    return (
        connection.is_ready
        and connection.made_at >= call.fresh_since
        and not await connection.can_read()
    )


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
