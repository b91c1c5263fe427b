"""Calls of the cache in memory that come in between another one, in the same thread."""

from __future__ import annotations

import gc
import os
import warnings
import weakref
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from jti_replay import CacheError
from jti_replay.backends.memory import records, table
from tests.backends.memory.interrupting import Interrupter, each_place
from tests.backends.memory.soundness import assert_sound, cache_with, reserve
from tests.backends.memory.wall_clock import Clock

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


def test_a_call_that_comes_in_between_works_or_raises(clock: Clock) -> None:
    """As that of a signal handler. Neither call disturbs the other, nor waits for it."""
    outcomes: set[str] = set()

    def work(interrupter: Interrupter) -> None:
        nonlocal cache
        cache = cache_with("a", max_entries=10)
        inner.clear()
        outer = interrupter.run(lambda: reserve(cache, "outer"))
        assert outer
        assert_sound(cache)
        assert cache.count() == 2 + len(inner)
        assert reserve(cache, "outer") is None
        assert all(reservation.release() for reservation in (outer, *inner))

    def come_in_between() -> None:
        for call in (lambda: reserve(cache, "inner"), cache.count, lambda: cache.release("no")):
            try:
                result: Any = call()
            except CacheError as error:
                outcomes.add(str(error))
            else:
                outcomes.add("worked")
                if not isinstance(result, int):
                    inner.append(result)

    cache = cache_with()
    inner: list[Any] = []
    assert each_place(work, come_in_between) > 5
    assert len(outcomes) == 2
    assert "worked" in outcomes
    assert any("interrupts" in outcome for outcome in outcomes)


def test_a_finalizer_may_use_the_cache() -> None:
    """Finalizers and weakref callbacks run wherever garbage is collected."""
    cache = cache_with(max_entries=100_000)
    used = 0

    def use(number: int) -> None:
        nonlocal used
        with suppress(CacheError):
            assert reserve(cache, f"garbage {number}")
            used += 1

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

    threshold = gc.get_threshold()
    gc.set_threshold(10)
    try:
        for number in range(2000):
            weakref.finalize(Cycle(), use, number)
            assert reserve(cache, f"{number}")
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert used > 100
    assert_sound(cache)
    assert cache.count() == 2000 + used


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_may_come_in_between(clock: Clock) -> None:
    """A handler may fork while its thread is in the cache. Both processes carry on."""
    children: list[int] = []

    def fork() -> None:
        with warnings.catch_warnings():
            # Python warns of a fork beside threads, which other tests may have left here.
            warnings.simplefilter("ignore", DeprecationWarning)
            children.append(os.fork())

    def work(interrupter: Interrupter) -> None:
        cache = cache_with("a")
        children.clear()
        try:
            reservation = interrupter.run(lambda: reserve(cache, "new"))
            assert cache.count() == 2
            assert reserve(cache, "new") is None
            assert reservation.release()
            assert_sound(cache)
        except BaseException:
            if children == [0]:
                os._exit(1)
            raise
        if children == [0]:
            os._exit(0)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0

    assert each_place(work, fork) > 5


def test_a_call_from_within_another_is_refused(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same thread is in the table already, and waits for nobody."""
    refused: list[CacheError] = []

    def pack(*values: Any) -> bytes:
        for call in (
            partial(reserve, cache, "inner"),
            cache.count,
            partial(cache.release, "a"),
        ):
            with pytest.raises(CacheError, match="interrupts") as caught:
                call()
            refused.append(caught.value)
        return records.pack(*values)

    cache = cache_with("a")
    monkeypatch.setattr(table, "pack", pack)
    assert reserve(cache, "outer")
    monkeypatch.undo()
    assert len(refused) == 3
    assert cache.count() == 2
