"""The cache in memory when signal handlers, finalizers and forks come in between."""

from __future__ import annotations

import gc
import math
import os
import signal
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from jti_replay import CacheError, CacheFull
from jti_replay.backends.memory import InMemoryCache, table
from jti_replay.backends.memory.records import RECORD_SIZE
from jti_replay.signals import jti_reserved
from tests.backends.memory.interrupting import Interrupter, Interruption, each_place

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")

NOW = 1_800_000_000
ISSUER = "https://issuer.example"


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


def strike() -> NoReturn:
    raise Interruption


def cache_with(*jtis: str, max_entries: int = 3, lifetime: int = 400) -> InMemoryCache:
    cache = InMemoryCache("default", {"OPTIONS": {"max_entries": max_entries}})
    for jti in jtis:
        assert cache.reserve(jti, time.time() + lifetime, namespace=ISSUER)
    return cache


def entries(cache: InMemoryCache) -> int:
    """Count what is there, instead of what the cache believes to be there."""
    live = cache._table._live
    return sum(
        cell[at : at + RECORD_SIZE] >= live
        for cell in cache._table._cells
        for at in range(0, len(cell), RECORD_SIZE)
    )


def assert_sound(cache: InMemoryCache) -> None:
    """Fail unless the lock is free and the numbers add up."""
    free: list[bool] = []

    def take() -> None:
        free.append(cache._lock.acquire(timeout=5))

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    assert free == [True]
    cache._lock._at_fork_reinit()  # type: ignore[attr-defined]  # That thread has it now.
    assert cache.count() == entries(cache) == sum(cache._table._counts.values())


def reserve(cache: InMemoryCache, jti: str) -> Any:
    return cache.reserve(jti, time.time() + 400, namespace=ISSUER)


async def areserve(cache: InMemoryCache, jti: str) -> Any:
    return await cache.areserve(jti, time.time() + 400, namespace=ISSUER)


def in_loop(cache: InMemoryCache, jti: str) -> Any:
    """Reserve as an event loop does. It never waits, so that no loop is needed."""
    with pytest.raises(StopIteration) as caught:
        areserve(cache, jti).send(None)
    return caught.value.value


def watched(cache: InMemoryCache, jti: str) -> Any:
    """Reserve with a receiver, which makes a reserve take the steps of the base class."""

    def receive(**kwargs: Any) -> None:
        pass

    jti_reserved.connect(receive)
    try:
        return reserve(cache, jti)
    finally:
        jti_reserved.disconnect(receive)


@pytest.mark.parametrize("call", [reserve, watched, in_loop])
@pytest.mark.parametrize("expired", [False, True])
def test_an_interrupted_reserve_leaves_nothing(
    call: Callable[[InMemoryCache, str], Any], expired: bool, clock: Clock
) -> None:
    """Wherever the exception strikes, it comes through, and the jti can be reserved."""

    def work(interrupter: Interrupter) -> None:
        clock.now = NOW
        cache = cache_with("a", "b", lifetime=-60 if expired else 400)
        clock.now += 301 if expired else 0.5
        try:
            assert interrupter.run(lambda: call(cache, "new"))
            expected = 1
        except Interruption:
            expected = 0
        assert_sound(cache)
        assert cache.count() == (expected if expired else 2 + expected)
        assert (reserve(cache, "new") is None) is bool(expected)

    assert each_place(work, strike) > 10


@pytest.mark.parametrize("call", [reserve, in_loop])
def test_an_interrupted_refusal_changes_nothing(
    call: Callable[[InMemoryCache, str], Any], clock: Clock
) -> None:
    """A replay and a full cache are refused by the next call as they were to be."""

    def replay(interrupter: Interrupter) -> None:
        try:
            assert interrupter.run(lambda: call(cache, "a")) is None
        except Interruption:
            pass
        assert_sound(cache)
        assert cache.count() == 3
        assert reserve(cache, "a") is None

    def overflow(interrupter: Interrupter) -> None:
        with pytest.raises((Interruption, CacheFull)):
            interrupter.run(lambda: call(cache, "new"))
        assert_sound(cache)
        with pytest.raises(CacheFull):
            reserve(cache, "new")

    cache = cache_with("a", "b", "c")
    assert each_place(replay, strike) > 10
    assert each_place(overflow, strike) > 10


def test_an_interrupted_release_or_count_leaves_it_sound(clock: Clock) -> None:
    """The entry is there or gone, and the numbers say the same."""

    def release(interrupter: Interrupter) -> None:
        cache = cache_with("a", "b")
        held = reserve(cache, "c")
        try:
            assert interrupter.run(held.release) is True
        except Interruption:
            pass
        assert_sound(cache)
        is_held = cache.count() == 3
        assert held.release() is is_held
        assert cache.count() == 2

    def count(interrupter: Interrupter) -> None:
        cache = cache_with("a", "b", lifetime=-60)
        clock.now += 301
        try:
            assert interrupter.run(cache.count) == 0
        except Interruption:
            pass
        assert_sound(cache)
        assert cache.count() == 0

    assert each_place(release, strike) > 10
    assert each_place(count, strike) > 5


def test_no_instruction_leaves_the_lock_held(clock: Clock) -> None:
    """Also between instructions where no signal handler can run, the lock is let go."""
    place = 0
    has_struck = True
    while has_struck:
        cache = cache_with("a", "b")
        interrupter = Interrupter(place, strike, everywhere=True)
        for call in (partial(reserve, cache, "new"), partial(cache.release, "a"), cache.count):
            try:
                interrupter.run(call)
            except Interruption:
                assert not cache._lock._is_owned()  # type: ignore[attr-defined]
        has_struck = interrupter.has_struck
        place += 1
    assert place > 100


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
    assert each_place(work, come_in_between) > 10
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

    assert each_place(work, fork) > 10


def test_a_time_limit_strikes_at_any_moment() -> None:
    """Real signals: what was reserved is known to a caller, and all else can be reserved."""

    def handle(number: int, frame: object) -> None:
        raise Interruption

    cache = cache_with(max_entries=1_000_000)
    won: list[str] = []
    strikes = number = 0
    before = signal.signal(signal.SIGALRM, handle)
    try:
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline or strikes < 50:
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.0005)
                    while True:
                        number += 1
                        name = f"{number}"
                        reserve(cache, name)
                        won.append(name)
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Interruption:
                strikes += 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert_sound(cache)
    # The list is longer before a handler can run: no entry is there that no caller has.
    assert cache.count() == len(won)
    assert all(
        reserve(cache, f"{tried}") for tried in {*range(1, number + 1)} - {*map(int, won)}
    )


def test_a_call_from_within_another_is_refused(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same thread is in the table already, and waits for nobody."""
    refused: list[CacheError] = []

    def ceil(number: float) -> int:
        for call in (
            partial(reserve, cache, "inner"),
            cache.count,
            partial(cache.release, "a"),
        ):
            with pytest.raises(CacheError, match="interrupts") as caught:
                call()
            refused.append(caught.value)
        return math.ceil(number)

    cache = cache_with("a")
    monkeypatch.setattr(table, "math", SimpleNamespace(ceil=ceil, floor=math.floor))
    assert reserve(cache, "outer")
    monkeypatch.undo()
    assert len(refused) == 3
    assert cache.count() == 2


def test_an_interrupted_wait_for_the_lock_leaves_it_to_its_holder() -> None:
    """A thread that did not get the lock must not release it."""
    cache = cache_with("a")
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with cache._lock:
            taken.set()
            done.wait()

    def handle(number: int, frame: object) -> None:
        raise Interruption

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(10)
    before = signal.signal(signal.SIGALRM, handle)
    try:
        for call in (partial(reserve, cache, "b"), cache.count):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interruption):
                call()
            assert not cache._lock.acquire(blocking=False)
    finally:
        signal.signal(signal.SIGALRM, before)
        done.set()
        thread.join()
    assert cache.count() == 1
    assert reserve(cache, "b")


def test_an_interruption_after_the_fact_takes_the_entry_back(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a signal handler raises it when the lock has just been released."""
    cache = cache_with("a")

    class Released:
        def __getattr__(self, name: str) -> Any:
            return getattr(cache._lock, name)

        def release(self) -> None:
            cache._table.lock = cache._lock
            cache._lock.release()
            raise Interruption

    monkeypatch.setattr(cache._table, "lock", Released())
    with pytest.raises(Interruption):
        reserve(cache, "b")
    assert_sound(cache)
    assert cache.count() == 1
    assert reserve(cache, "b")
