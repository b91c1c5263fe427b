"""How long a Redis is waited for, so that all waits together stay within the time limit."""

from __future__ import annotations

import asyncio
import builtins
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import redis.asyncio.retry
from redis.backoff import NoBackoff
from redis.exceptions import TimeoutError
from redis.retry import Retry

T = TypeVar("T")

ATTEMPTS = 2
"""How often a command is sent at the most. A second one does no harm, by the owner token."""

CLUSTER_MARGIN = 0.9
"""The part of the time limit of a cluster that is shared out. The rest is for redirections."""

WITHOUT_TIMEOUT = {"socket_timeout": None}
"""The argument of redis-py for connections whose exchanges have a time limit of their own."""


def longest_wait(timeout: float, *, is_several: bool, has_acks: bool, blocks: bool) -> float:
    """
    Return for how many seconds one step may wait, when all may take ``timeout``.

    A server that is dead or paused fails the first thing that a step waits for. The steps are
    the attempts, of which each waits for a connection, too, if the pool ``blocks`` until there
    is one; where the primary is one of several servers, that it is looked for in between; and
    where replicas have to acknowledge, that a reservation is taken back.
    """
    share = timeout / (ATTEMPTS * (1 + blocks) + is_several + has_acks)
    return share * CLUSTER_MARGIN if is_several else share


def limits(wait: float, retry: type[Retry | redis.asyncio.retry.Retry]) -> dict[str, Any]:
    """Return the arguments of redis-py for connections that wait so long, and never retry."""
    return {
        "socket_timeout": wait,
        "socket_connect_timeout": wait,
        "retry": retry(NoBackoff(), 0),
    }


async def until(deadline: float, call: Coroutine[Any, Any, T]) -> T:
    """Await a call until a moment of :func:`time.monotonic`, then raise redis.TimeoutError."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        call.close()
        raise TimeoutError("There is no time left to ask Redis.")
    try:
        async with asyncio.timeout(seconds):
            return await call
    except builtins.TimeoutError as error:
        raise TimeoutError("Redis has not answered in time.") from error
