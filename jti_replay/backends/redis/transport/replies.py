"""Replies of a Redis that say that another server has to be asked."""

from __future__ import annotations

from redis.exceptions import MasterDownError, ReadOnlyError

READ_ONLY = "-READONLY "
"""What Redis 6.2 puts into the error of a script, before the text that it got itself."""


def is_from_replica(reply: object) -> bool:
    """
    Return whether a reply says that the server is no primary, or not any more.

    After a failover behind a name or a proxy, connections that stay open lead to it.
    """
    return isinstance(reply, ReadOnlyError | MasterDownError) or (
        isinstance(reply, Exception) and READ_ONLY in str(reply)
    )
