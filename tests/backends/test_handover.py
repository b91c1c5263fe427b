"""An entry that a thread adds for a task is never left without an owner."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from jti_replay import Reservation
from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.handover import Entry, add_in_thread
from jti_replay.reservation.key import JTIKey
from jti_replay.signals import jti_released
from tests.rollback.signals import connected

LIMIT = 20


class Store:
    """Entries that a test lets a thread add when it likes."""

    def __init__(self) -> None:
        self.entries: set[Hashable] = set()
        self.begun = threading.Event()
        self.may_add = threading.Event()
        self.added = threading.Event()
        self.removed = threading.Event()

    def add(self) -> Entry:
        self.begun.set()
        assert self.may_add.wait(LIMIT)
        self.entries.add("owner")
        self.added.set()
        return "owner", 1.0

    def remove(self, owner: Hashable) -> None:
        self.entries.remove(owner)
        self.removed.set()


SENSITIVE = pytest.mark.parametrize("sensitive", [True, False])


def stand_still() -> None:
    time.sleep(0.1)


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@SENSITIVE
def test_an_entry_that_is_added_after_the_task_has_gone_is_removed(sensitive: bool) -> None:
    """The thread goes on after a cancellation, and takes back what it adds."""
    store = Store()

    async def main() -> None:
        adding = add_in_thread(store.add, store.remove, thread_sensitive=sensitive)
        task = asyncio.create_task(adding)
        await asyncio.to_thread(store.begun.wait, LIMIT)
        await cancel(task)
        assert not store.added.is_set()
        store.may_add.set()

    asyncio.run(main())
    assert store.removed.wait(LIMIT)
    assert store.entries == set()


def test_what_was_held_already_is_not_removed() -> None:
    """A thread that added nothing has nothing to take back."""
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()
    removed: list[Hashable] = []

    def add() -> None:
        begun.set()
        assert may_end.wait(LIMIT)

    async def main() -> None:
        task = asyncio.create_task(add_in_thread(add, removed.append))
        await asyncio.to_thread(begun.wait, LIMIT)
        await cancel(task)
        may_end.set()
        await sync_to_async(ended.set)()  # In the same thread, which does it afterwards.

    asyncio.run(main())
    assert ended.is_set()
    assert removed == []


@SENSITIVE
def test_an_entry_that_was_added_before_the_task_was_told_is_removed(sensitive: bool) -> None:
    """A cancellation may come when the thread is done and the task does not know yet."""
    store = Store()
    store.may_add.set()

    async def main() -> None:
        adding = add_in_thread(store.add, store.remove, thread_sensitive=sensitive)
        task = asyncio.create_task(adding)
        await asyncio.sleep(0)
        assert store.added.wait(LIMIT)
        stand_still()  # The thread ends, and this loop does not run.
        await cancel(task)
        assert store.entries == set()

    asyncio.run(main())


def test_what_was_not_begun_adds_nothing() -> None:
    """A task that is cancelled in the queue for the thread leaves nothing to take back."""
    store, first = Store(), Store()

    async def main() -> None:
        ahead = asyncio.create_task(add_in_thread(first.add, first.remove))
        await asyncio.to_thread(first.begun.wait, LIMIT)
        task = asyncio.create_task(add_in_thread(store.add, store.remove))
        await asyncio.sleep(0.01)
        await cancel(task)
        store.may_add.set()
        first.may_add.set()
        assert await ahead == ("owner", 1.0)

    asyncio.run(main())
    assert not store.begun.is_set()


def test_an_error_of_the_store_comes_through() -> None:
    """A store that fails has added nothing."""

    def fail() -> Entry:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(add_in_thread(fail, Store().remove))


def test_a_store_that_cannot_take_back_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The failure is nobody's exception, so it is written down."""
    store = Store()

    def fail(owner: Hashable) -> None:
        store.removed.set()
        raise OSError("away")

    async def main() -> None:
        task = asyncio.create_task(add_in_thread(store.add, fail))
        await asyncio.to_thread(store.begun.wait, LIMIT)
        await cancel(task)
        store.may_add.set()
        assert await asyncio.to_thread(store.removed.wait, LIMIT)

    with caplog.at_level(logging.ERROR, "jti_replay"):
        asyncio.run(main())
        for _ in range(200):
            if caplog.records:
                break
            time.sleep(0.01)
    assert "could not be taken back: OSError: away" in caplog.text


def test_an_event_loop_that_is_gone_leaves_nothing() -> None:
    """A coroutine that is closed takes the entry back without a loop."""
    store = Store()
    store.may_add.set()

    async def main() -> Any:
        adding = add_in_thread(store.add, store.remove)
        step = asyncio.get_running_loop().run_in_executor(None, store.added.wait, LIMIT)
        adding.send(None)
        await step
        stand_still()
        return adding

    adding = asyncio.run(main())
    adding.close()
    assert store.removed.wait(LIMIT)


class SlowRelease(BaseReplayCache):
    """A backend that has no driver of its own for event loops."""

    def __init__(self, remove: Callable[[], bool]) -> None:
        super().__init__("default", {})
        self._remove = remove

    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        return self._remove()


def test_a_release_is_carried_out_though_its_caller_is_cancelled() -> None:
    """A release that waits for the thread is done, and told, when the thread is free."""
    busy, done, heard = threading.Event(), threading.Event(), threading.Event()
    told: list[str] = []

    def remove() -> bool:
        done.set()
        return True

    async def main() -> None:
        cache = SlowRelease(remove)
        ahead = asyncio.create_task(sync_to_async(busy.wait)(LIMIT))
        await asyncio.sleep(0.02)
        task = asyncio.create_task(cache.arelease("a"))
        await asyncio.sleep(0.02)
        await cancel(task)
        busy.set()
        await ahead
        assert await asyncio.to_thread(heard.wait, LIMIT)

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs["alias"])
        heard.set()

    with connected(jti_released, receiver), ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, main()).result(LIMIT)
    assert done.is_set()
    assert told == ["default"]


@pytest.mark.parametrize("turns", range(4))
def test_a_release_is_carried_out_though_its_event_loop_ends(turns: int) -> None:
    """That of a server that stops, or of one request to an async view under WSGI."""

    class InTurns(SlowRelease):
        async def aremove(self, key: JTIKey, owner: Hashable | None) -> bool:
            await asyncio.sleep(0)
            return self.remove(key, owner)

    def remove() -> bool:
        removed.append(True)
        return True

    async def main() -> None:
        cache = InTurns(remove)
        reservation = Reservation.of(cache, "a", "", ("owner", time.time() + 60))
        tasks.append(asyncio.create_task(reservation.arelease()))
        for _ in range(turns):
            await asyncio.sleep(0)

    removed: list[bool] = []
    tasks: list[asyncio.Task[bool]] = []
    asyncio.run(main())
    assert removed == [True]
    assert tasks[0].cancelled()
