"""The connections of all threads to one Redis. :mod:`.loop_connections` is for event loops."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from redis import ConnectionPool
from redis.exceptions import ResponseError
from redis.sentinel import SentinelConnectionPool

from jti_replay.backends.redis.scripts import Command

from .call import Call
from .packing import packed
from .replies import is_from_replica
from .thread_connection import ThreadConnection, thread_connection_class


class ThreadConnections:
    """
    The connections of a pool of redis-py.

    Commands go to a connection without the client's own ``execute_command()``, whose retries,
    metrics and conversions of replies are not needed here and cost time. ``wait`` is the
    longest time, in seconds, for the replies once there is a connection.
    """

    def __init__(self, pool: Any, wait: float) -> None:  # redis-py does not give its types.
        self.pool = pool
        self._wait = wait
        # Those that are connected and free. redis-py's pool takes a quarter of the time of a
        # reserve to give one out, and gets back those that have to be connected again.
        self._ready: list[Any] = []
        is_plain = type(pool) is ConnectionPool
        self._put_back = self._ready.append if is_plain else pool.release
        pool.connection_class = thread_connection_class(pool.connection_class)
        # redis-py may have drawn the map of a cluster through other connections.
        pool.disconnect(inuse_connections=False)
        pool.reset()

    def exchange(self, commands: Sequence[Command], call: Call) -> list[Any]:
        """
        Send commands in one go on one connection, and return their replies. A reply that is
        an error is returned in its place; a connection that fails raises.
        """
        call.time_left()
        ThreadConnection.patience.deadline = call.deadline
        try:
            return self._exchange(commands, call)
        finally:
            ThreadConnection.patience.deadline = None

    def close(self) -> None:
        """Let the connections go. The next call connects again."""
        self.pool.disconnect()
        if isinstance(self.pool, SentinelConnectionPool):
            for sentinel in self.pool.sentinel_manager.sentinels:
                sentinel.close()

    def _exchange(self, commands: Sequence[Command], call: Call) -> list[Any]:
        connection = self._take(call)
        try:
            left = call.time_left()
            limit = {} if left >= self._wait else {"timeout": left}
            connection.is_reply_due = True
            call.sent += 1
            call.unanswered += 1
            connection.send_packed_command(packed(commands, connection))
            replies = [_reply(connection, limit) for _ in commands]
            connection.is_reply_due = False
            call.unanswered -= 1
            call.last_step = time.monotonic() + left - call.deadline
        except BaseException:
            # A reply that is still to come would be taken for that of the next command.
            connection.disconnect()
            self.pool.release(connection)
            raise
        if is_from_replica(replies[0]):
            connection.disconnect()
        self._put_back(connection)
        return replies

    def _take(self, call: Call) -> Any:
        while True:
            try:
                connection = self._ready.pop()
            except IndexError:
                break
            if connection.is_usable() and connection.made_at >= call.fresh_since:
                return connection
            connection.disconnect()
            self.pool.release(connection)
        start = time.monotonic()
        connection = self.pool.get_connection()
        try:
            if connection.made_at < call.fresh_since:
                connection.disconnect()
                connection.connect()
            call.last_step = time.monotonic() - start
            call.time_left()
        except BaseException:
            self.pool.release(connection)
            raise
        return connection


def _reply(connection: Any, limit: dict[str, float]) -> Any:
    try:
        return connection.read_response(**limit)
    except ResponseError as error:
        return error
