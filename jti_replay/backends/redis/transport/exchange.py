"""
Commands and their replies, on one connection of a Redis.

They go to a connection of the client's pool without the client's own ``execute_command()``,
whose retries, metrics and conversions of replies are not needed here, and are dear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from jti_replay.backends.redis.scripts import Command

from .packing import packed


def exchange(client: Any, commands: Sequence[Command]) -> list[Any]:
    """
    Send commands in one go on one connection of a :class:`redis.Redis`, and return their
    replies. A reply that is an error is returned in its place; a connection that fails raises.
    """
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        connection.send_packed_command(packed(commands, connection))
        return [_reply(connection) for _ in commands]
    except BaseException:
        # A reply that is still to come would be taken for that of the next command.
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
