"""Running a script in a Redis, so that a lost message is made up for, within the time limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import (
    ClusterDownError,
    ConnectionError,
    MovedError,
    NoScriptError,
    SlotNotCoveredError,
    TimeoutError,
)

from jti_replay.backends.redis.transport.stores import AsyncStore, Store

from .scripts import Command, Script

REPEATED = (
    # Whether the server did what it was asked is unknown. To send it once more does no harm:
    # by the owner token the script recognises what the first one did.
    ConnectionError,
    TimeoutError,
    # The map of the cluster is an old one.
    ClusterDownError,
    MovedError,
    SlotNotCoveredError,
)
"""The errors after which a second attempt is made."""


def run(
    store: Store,
    script: Script,
    keys: Sequence[bytes],
    arguments: Sequence[Any],
    deadline: float,
    along: Sequence[Command] = (),
) -> list[Any]:
    """
    Run a script, and on the same connection the commands that go along with it. Return their
    replies. If the message is lost it is sent a second time. Raises what went wrong with the
    script; an error of a command that goes along is returned in its place.
    """
    try:
        return attempt(store, script, keys, arguments, deadline, along)
    except REPEATED:
        if not store.recover(deadline):
            raise
        return attempt(store, script, keys, arguments, deadline, along)


def attempt(
    store: Store,
    script: Script,
    keys: Sequence[bytes],
    arguments: Sequence[Any],
    deadline: float,
    along: Sequence[Command] = (),
) -> list[Any]:
    """Do what :func:`run` does, once."""
    replies = store.send(keys[0], [script.by_sha(keys, arguments), *along], deadline)
    if isinstance(replies[0], NoScriptError):  # It was restarted, or never saw the script.
        replies = store.send(keys[0], [script.by_source(keys, arguments), *along], deadline)
    if isinstance(replies[0], Exception):
        raise replies[0]
    return replies


def run_each(store: Store, script: Script, keys: Sequence[bytes], deadline: float) -> list[Any]:
    """Run a script once for each of many keys. Return the replies in any order."""
    commands = [(key, script.by_source([key], [])) for key in keys]
    try:
        return _checked(store.send_each(commands, deadline))
    except REPEATED:
        if not store.recover(deadline):
            raise
        return _checked(store.send_each(commands, deadline))


async def arun(
    store: AsyncStore,
    script: Script,
    keys: Sequence[bytes],
    arguments: Sequence[Any],
    deadline: float,
    along: Sequence[Command] = (),
) -> list[Any]:
    """Do what :func:`run` does, on the event loop."""
    try:
        return await aattempt(store, script, keys, arguments, deadline, along)
    except REPEATED:
        if not await store.recover(deadline):
            raise
        return await aattempt(store, script, keys, arguments, deadline, along)


async def aattempt(
    store: AsyncStore,
    script: Script,
    keys: Sequence[bytes],
    arguments: Sequence[Any],
    deadline: float,
    along: Sequence[Command] = (),
) -> list[Any]:
    """Do what :func:`attempt` does, on the event loop."""
    by_sha, by_source = script.by_sha(keys, arguments), script.by_source(keys, arguments)
    replies = await store.send(keys[0], [by_sha, *along], deadline)
    if isinstance(replies[0], NoScriptError):
        replies = await store.send(keys[0], [by_source, *along], deadline)
    if isinstance(replies[0], Exception):
        raise replies[0]
    return replies


async def arun_each(
    store: AsyncStore, script: Script, keys: Sequence[bytes], deadline: float
) -> list[Any]:
    """Do what :func:`run_each` does, on the event loop."""
    commands = [(key, script.by_source([key], [])) for key in keys]
    try:
        return _checked(await store.send_each(commands, deadline))
    except REPEATED:
        if not await store.recover(deadline):
            raise
        return _checked(await store.send_each(commands, deadline))


def _checked(replies: list[Any]) -> list[Any]:
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
