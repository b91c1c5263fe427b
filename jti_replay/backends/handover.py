"""
Entries that a thread adds for a task of an event loop.

A task can be cancelled while it waits, but its thread goes on. The entry that the thread adds
then would have no owner, and the client's own retry would be taken for a replay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

from asgiref.sync import sync_to_async

Entry: TypeAlias = tuple[Hashable, float]

logger = logging.getLogger("jti_replay")

GIVEN_UP = object()


async def add_in_thread(
    add: Callable[[], Entry | None],
    remove: Callable[[Hashable], Any],
    *,
    thread_sensitive: bool = True,
) -> Entry | None:
    """
    Call ``add`` in a thread, and return what it returns.

    If the caller is cancelled before it ends, the thread removes what it has added, by its
    owner token.
    """
    # Which came first, the end of the thread's work or that of the wait: setdefault() is
    # atomic, so that both agree on it.
    outcome: dict[str, Any] = {}

    def give_up() -> Entry | None:
        entry = outcome.setdefault("first", GIVEN_UP)
        return None if entry is GIVEN_UP else entry

    def take_back(entry: Entry | None) -> None:
        if entry is None:
            return
        try:
            remove(entry[0])
        except Exception as error:
            logger.error("A jti could not be taken back: %s: %s", type(error).__name__, error)

    def work() -> Entry | None:
        entry = add()
        if outcome.setdefault("first", entry) is GIVEN_UP:
            take_back(entry)
        return entry

    try:
        return await sync_to_async(work, thread_sensitive=thread_sensitive)()
    except GeneratorExit:  # The event loop is gone: nothing can be awaited any more.
        take_back(give_up())
        raise
    except BaseException:
        if (entry := give_up()) is not None:
            in_thread = sync_to_async(take_back, thread_sensitive=thread_sensitive)
            await asyncio.shield(asyncio.ensure_future(in_thread(entry)))
        raise
