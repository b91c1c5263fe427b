"""The connections of one event loop to one Redis. :mod:`.redis_exchange` is for threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from redis.asyncio import ConnectionPool
from redis.exceptions import ResponseError

from jti_replay.backends.redis.scripts import Command

from .limits import until
from .packing import packed


class AsyncConnections:
    """
    Those of a pool, for which tasks wait if all are in use. ``wait`` is the longest time, in
    seconds, for an exchange and all that it needs.

    The connections should have no ``socket_timeout``: one time limit for all is cheaper than
    one for each step. So is a semaphore, compared with redis-py's pool that blocks.
    """

    def __init__(self, pool: ConnectionPool, wait: float) -> None:
        self.pool = pool
        self._wait = wait
        self._free = asyncio.Semaphore(pool.max_connections)

    async def exchange(self, commands: Sequence[Command], deadline: float) -> list[Any]:
        """
        Send commands in one go on one connection, and return their replies. A reply that is
        an error is returned in its place; a connection that fails raises.
        """
        return await until(
            min(deadline, time.monotonic() + self._wait), self._exchange(commands)
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self.pool.aclose()

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        pool: Any = self.pool  # redis-py does not say its types.
        async with self._free:
            connection = await pool.get_connection()
            try:
                await connection.send_packed_command(packed(commands, connection))
                return [await _reply(connection) for _ in commands]
            except BaseException:
                # A reply that is still to come would be taken for that of the next command.
                await connection.disconnect(nowait=True)
                raise
            finally:
                await pool.release(connection)


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
