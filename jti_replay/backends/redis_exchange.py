"""Commands and their replies, on one connection of a Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from .redis_scripts import Command


def exchange(client: Any, commands: Sequence[Command]) -> list[Any]:
    """
    Send commands in one go on one connection of a :class:`redis.Redis`, and return their
    replies. A reply that is an error is returned in its place; a connection that fails raises.
    """
    if len(commands) == 1:
        try:
            return [client.execute_command(*commands[0])]
        except ResponseError as error:
            return [error]
    with client.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = pipeline.execute(raise_on_error=False)
    return replies


async def aexchange(client: Any, commands: Sequence[Command]) -> list[Any]:
    """Do what :func:`exchange` does with a :class:`redis.asyncio.Redis`."""
    if len(commands) == 1:
        try:
            return [await client.execute_command(*commands[0])]
        except ResponseError as error:
            return [error]
    async with client.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
    return replies
