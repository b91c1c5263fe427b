"""The cache in memory when signal handlers, finalizers and forks come in between."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from jti_replay import CacheFull
from jti_replay.backends.memory import InMemoryCache, table
from jti_replay.signals import cache_failed, jti_released, jti_replayed, jti_reserved
from tests.backends.memory.interrupting import Interrupter, Interruption, each_place, strike
from tests.backends.memory.soundness import ISSUER, assert_sound, cache_with, reserve
from tests.backends.memory.wall_clock import NOW, Clock

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


async def areserve(cache: InMemoryCache, jti: str) -> Any:
    return await cache.areserve(jti, time.time() + 400, namespace=ISSUER)


def in_loop(cache: InMemoryCache, jti: str) -> Any:
    """Reserve as an event loop does. It never waits, so that no loop is needed."""
    with pytest.raises(StopIteration) as caught:
        areserve(cache, jti).send(None)
    return caught.value.value


@pytest.fixture(autouse=True)
def _no_receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no receiver of the site make a reserve take the steps of the base class."""
    for each in (jti_reserved, jti_replayed, jti_released, cache_failed):
        monkeypatch.setattr(each, "receivers", [])


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
@pytest.mark.parametrize(
    ("passed", "expired"), [(0.5, False), (6, True), (1_000_000, True), (-60, False)]
)
def test_an_interrupted_reserve_leaves_nothing(
    call: Callable[[InMemoryCache, str], Any],
    passed: float,
    expired: bool,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever the exception strikes, it comes through, and the jti can be reserved."""
    monkeypatch.setattr(table, "SPAN", 4)  # Few seconds are counted in a list, and soon over.
    monkeypatch.setattr(table, "SECONDS", 8)

    def work(interrupter: Interrupter) -> None:
        clock.now = NOW
        cache = cache_with("a", lifetime=-60 if expired else 400, ttl=5)
        assert cache.reserve("b", NOW + (5 if expired else 100_000))
        clock.now += passed
        try:
            assert interrupter.run(lambda: call(cache, "new"))
            expected = 1
        except Interruption:
            expected = 0
        assert_sound(cache)
        assert cache.count() == (expected if expired else 2 + expected)
        assert (reserve(cache, "new") is None) is bool(expected)

    assert each_place(work, strike) > 5


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
    assert each_place(replay, strike) > 5
    assert each_place(overflow, strike) > 5


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
        cache = cache_with("a", "b", lifetime=-60, ttl=5)
        clock.now += 6
        try:
            assert interrupter.run(cache.count) == 0
        except Interruption:
            pass
        assert_sound(cache)
        assert cache.count() == 0

    assert each_place(release, strike) > 5
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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
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
                    # Again, if it strikes in a callback of the collector, which swallows it.
                    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.05)
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
