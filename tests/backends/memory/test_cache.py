"""The cache in memory: what holds for it beyond what holds for every cache."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from jti_replay import CacheError, CacheFull, Reservation
from jti_replay.backends.memory import InMemoryCache

NOW = 1_700_000_000.25


def cache_of(max_entries: int, ttl: float = 300) -> InMemoryCache:
    return InMemoryCache("default", {"TTL": ttl, "OPTIONS": {"max_entries": max_entries}})


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.mark.parametrize("wrong", [True, "1700000000", Fraction(1_900_000_000)])
def test_a_time_of_a_wrong_type_is_refused(wrong: Any) -> None:
    """Also of a namespace that is known, where a reserve takes fewer steps."""
    cache = cache_of(10)
    assert cache.reserve("a")
    with pytest.raises(TypeError):
        cache.reserve("b", wrong)
    assert cache.count() == 1


# How much it holds.


def test_it_holds_exactly_max_entries() -> None:
    cache = cache_of(100)
    assert all(cache.reserve(f"{number}") for number in range(100))
    for number in range(100, 120):
        with pytest.raises(CacheFull):
            cache.reserve(f"{number}")
    assert cache.count() == 100


async def test_it_is_full_for_asynchronous_callers_too() -> None:
    cache = cache_of(1)
    assert await cache.areserve("a")
    with pytest.raises(CacheFull):
        await cache.areserve("b")
    assert await cache.areserve("a") is None


def test_one_entry_may_be_all() -> None:
    cache = cache_of(1)
    first = cache.reserve("a")
    with pytest.raises(CacheFull) as caught:
        cache.reserve("b")
    assert isinstance(caught.value, CacheError)
    assert first
    assert first.release()
    assert cache.reserve("b")


def test_a_seen_jti_is_seen_when_it_is_full() -> None:
    cache = cache_of(10)
    for number in range(10):
        cache.reserve(f"{number}")
    assert [cache.reserve(f"{number}") for number in range(10)] == [None] * 10


def test_a_refused_jti_is_not_remembered(clock: time_machine.Traveller) -> None:
    cache = cache_of(1, ttl=10)
    cache.reserve("a")
    with pytest.raises(CacheFull):
        cache.reserve("b")
    assert cache.release("b") is False
    assert cache.release("a") is True
    assert cache.reserve("b")


def test_room_comes_back_with_a_release() -> None:
    cache = cache_of(3)
    reservations = [cache.reserve(jti) for jti in "abc"]
    with pytest.raises(CacheFull):
        cache.reserve("d")
    assert reservations[1]
    assert reservations[1].release() is True
    assert cache.reserve("d")
    with pytest.raises(CacheFull):
        cache.reserve("b")


def test_all_room_comes_back_as_entries_expire(clock: time_machine.Traveller) -> None:
    cache = cache_of(1000, ttl=10)
    for generation in range(3):
        assert all(cache.reserve(f"{generation} {number}") for number in range(1000))
        with pytest.raises(CacheFull):
            cache.reserve("one more")
        clock.shift(11)
        assert cache.count() == 0


def test_nothing_is_lost_as_it_fills_up_and_empties(clock: time_machine.Traveller) -> None:
    cache = cache_of(3000, ttl=0)
    expiry = int(NOW) + 100
    reservations = [cache.reserve(f"{number}", expiry) for number in range(2000)]
    assert all(reservations)
    assert not any(cache.reserve(f"{number}", expiry) for number in range(2000))
    assert cache.count() == 2000
    assert all(reservation and reservation.release() for reservation in reservations)
    assert not any(reservation and reservation.release() for reservation in reservations)
    assert cache.count() == 0
    assert all(cache.reserve(f"{number}", expiry) for number in range(2000))
    assert not any(reservation and reservation.release() for reservation in reservations)


def test_a_place_serves_any_second_of_expiry(clock: time_machine.Traveller) -> None:
    cache = cache_of(700, ttl=0)
    expiries = [int(NOW) + 100 + number for number in range(7)]
    for number in range(700):
        assert cache.reserve(f"{number}", expiries[number % 7])
        assert cache.count() == number + 1
    for expiry in expiries:
        with pytest.raises(CacheFull):
            cache.reserve("one more", expiry)
    clock.shift(101)
    assert cache.count() == 600
    assert all(cache.reserve(f"new {number}", expiries[-1]) for number in range(100))
    with pytest.raises(CacheFull):
        cache.reserve("one more", expiries[-1])


def test_a_second_that_comes_within_the_ttl_is_outlived(clock: time_machine.Traveller) -> None:
    cache = cache_of(300, ttl=50)
    expiry = int(NOW) + 100
    assert all(cache.reserve(f"{number}", expiry) for number in range(2))
    clock.shift(60)
    late = cache.reserve("late", expiry)
    assert late
    assert late.expires_at.timestamp() >= NOW + 110
    assert all(cache.reserve(f"more {number}", expiry) for number in range(297))
    with pytest.raises(CacheFull):
        cache.reserve("one more", expiry)
    clock.shift(41)
    assert cache.count() == 298


def test_room_comes_back_one_by_one(clock: time_machine.Traveller) -> None:
    cache = cache_of(20, ttl=0)
    for number in range(20):
        cache.reserve(f"{number}", NOW + 10 * number + 100)
    for number in range(20):
        with pytest.raises(CacheFull):
            cache.reserve(f"new {number}")
        clock.move_to(NOW + 10 * number + 102)
        assert cache.reserve(f"new {number}", NOW + 10_000)
        assert cache.count() == 20


@pytest.mark.parametrize("expires_at", [10**400, -(10**400), float("inf"), float("nan")])
def test_a_moment_that_cannot_be_is_refused_in_a_known_namespace(expires_at: float) -> None:
    """The quick way says the same as the long one, and keeps nothing."""
    cache = cache_of(2)
    assert cache.reserve("a", 2_000_000_000, namespace="n")
    with pytest.raises(ValueError, match="expires_at"):
        cache.reserve("b", expires_at, namespace="n")
    assert cache.count() == 1


def test_a_live_entry_is_never_forgotten_to_make_room(clock: time_machine.Traveller) -> None:
    cache = cache_of(500, ttl=1)
    kept = [f"kept {number}" for number in range(400)]
    assert all(cache.reserve(jti, NOW + 100_000) for jti in kept)
    refused = 0
    for number in range(10_000):
        try:
            cache.reserve(f"passing {number}")
        except CacheFull:
            refused += 1
        if number % 300 == 0:
            clock.shift(0.7)
    assert refused
    assert [jti for jti in kept if cache.reserve(jti) is not None] == []


def test_entries_of_all_lifetimes_are_remembered_to_their_end(
    clock: time_machine.Traveller,
) -> None:
    cache = cache_of(5000, ttl=0)
    expiries = {f"{number}": NOW + 7919 * number % 997 for number in range(3000)}
    ends = {}
    for jti, expiry in expiries.items():
        reservation = cache.reserve(jti, expiry)
        assert reservation
        ends[jti] = reservation.expires_at.timestamp()
        assert expiry + 1 <= ends[jti] < expiry + 2
    for elapsed in (1, 250, 500, 750, 996):
        clock.move_to(NOW + elapsed)
        live = {jti for jti, end in ends.items() if end > NOW + elapsed}
        assert cache.count() == len(live)
        assert {jti for jti in live if cache.reserve(jti) is not None} == set()


def test_threads_cannot_push_it_over_its_limit() -> None:
    cache = cache_of(300)
    won: list[Reservation | None] = []
    refused: list[CacheFull] = []
    start = threading.Barrier(8)

    def work(worker: int) -> None:
        start.wait()
        for number in range(100):
            try:
                won.append(cache.reserve(f"{worker} {number}"))
            except CacheFull as full:
                refused.append(full)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused), cache.count()) == (300, 500, 300)
    assert None not in won


# The clock.


def test_the_end_of_an_entry_is_a_whole_second(clock: time_machine.Traveller) -> None:
    reservation = cache_of(1, ttl=10).reserve("a")
    assert reservation
    assert reservation.expires_at.timestamp() == 1_700_000_011


def test_an_entry_is_held_to_the_last_instant_and_no_longer(
    clock: time_machine.Traveller,
) -> None:
    cache = cache_of(1, ttl=10)
    reservation = cache.reserve("a")
    assert reservation
    clock.move_to(1_700_000_010.999)
    assert cache.reserve("a") is None
    assert cache.count() == 1
    clock.move_to(1_700_000_011)
    assert cache.count() == 0
    assert reservation.release() is False
    assert cache.release("a") is False
    assert cache.reserve("a")


def test_a_clock_that_jumps_forward_far_expires_everything(
    clock: time_machine.Traveller,
) -> None:
    cache = cache_of(2, ttl=10)
    first = cache.reserve("a")
    cache.reserve("b", NOW + 3600)
    clock.shift(20 * 365 * 86_400)
    assert cache.count() == 0
    assert cache.reserve("a")
    assert cache.reserve("b")
    assert first
    assert first.release() is False
    assert cache.reserve("a") is None


def test_a_clock_that_is_set_back_forgets_nothing(clock: time_machine.Traveller) -> None:
    cache = cache_of(3, ttl=10)
    reservation = cache.reserve("a")
    clock.shift(-3600)
    assert cache.reserve("a") is None
    assert cache.reserve("b")
    assert cache.count() == 2
    assert reservation
    assert reservation.release() is True


@pytest.mark.parametrize("expires_at", [253_402_300_799, 4_294_967_296, 8_589_934_592.5])
def test_an_entry_may_live_for_ages(clock: time_machine.Traveller, expires_at: float) -> None:
    cache = cache_of(3, ttl=10)
    reservation = cache.reserve("a", expires_at)
    clock.shift(70 * 365 * 86_400)
    assert cache.reserve("a") is None
    assert cache.count() == 1
    assert reservation
    assert reservation.release() is True


def test_a_ttl_of_ages_is_accepted(clock: time_machine.Traveller) -> None:
    cache = cache_of(3, ttl=1e10)
    assert cache.reserve("a")
    assert cache.reserve("a") is None


operations = st.lists(
    st.tuples(st.just("reserve"), st.sampled_from("abcdefgh"), st.floats(-5, 30))
    | st.tuples(st.just("release"), st.sampled_from("abcdefgh"), st.just(0.0))
    | st.tuples(st.just("release one's own"), st.sampled_from("abcdefgh"), st.just(0.0))
    | st.tuples(st.just("wait"), st.just(""), st.floats(0, 20)),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(operations)
def test_it_does_what_a_plain_dict_would_do(steps: list[tuple[str, str, float]]) -> None:
    cache = cache_of(5, ttl=3)
    live: dict[str, float] = {}
    holders: dict[str, Reservation] = {}
    with time_machine.travel(NOW, tick=False) as traveller:
        for step, jti, seconds in steps:
            live = {held: end for held, end in live.items() if end > time.time()}
            if step == "wait":
                traveller.shift(seconds)
            elif step == "release":
                assert cache.release(jti) is (live.pop(jti, None) is not None)
            elif step == "release one's own":
                if jti in holders:
                    assert holders[jti].release() is (live.pop(jti, None) is not None)
            elif jti in live:
                assert cache.reserve(jti, time.time() + seconds) is None
            elif len(live) == 5:
                with pytest.raises(CacheFull):
                    cache.reserve(jti, time.time() + seconds)
            else:
                before = holders.get(jti)
                reservation = cache.reserve(jti, time.time() + seconds)
                assert reservation is not None
                assert before is None or before.release() is False
                holders[jti] = reservation
                live[jti] = reservation.expires_at.timestamp()
            assert cache.count() == sum(end > time.time() for end in live.values())
