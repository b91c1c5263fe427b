"""What the in-memory cache does when the wall clock is set."""

from __future__ import annotations

import pytest

from jti_replay import CacheError
from jti_replay.backends.memory import InMemoryCache
from tests.backends.memory.wall_clock import NOW, Clock


@pytest.fixture
def cache(clock: Clock) -> InMemoryCache:
    return InMemoryCache("default", {"TTL": 10})


def test_an_entry_outlives_a_clock_that_is_set_back(cache: InMemoryCache, clock: Clock) -> None:
    assert cache.reserve("a")
    clock.now = NOW - 3600
    assert cache.reserve("a") is None
    assert cache.count() == 1


def test_a_token_that_the_clock_brought_back_to_life_is_refused(
    clock: Clock,
) -> None:
    cache = InMemoryCache("default", {"TTL": 10, "OPTIONS": {"max_entries": 10}})
    token = ("a", NOW + 60)
    assert cache.reserve(*token)
    clock.now = NOW + 100  # Set forward by mistake: the entry has expired.
    assert cache.reserve("b")  # It makes room where the entry was.
    clock.now = NOW + 5
    with pytest.raises(CacheError, match="clock was set back"):
        cache.reserve(*token)


def test_a_token_that_outlives_all_that_was_forgotten_is_still_told_apart(
    cache: InMemoryCache, clock: Clock
) -> None:
    assert cache.reserve("short", NOW + 60)
    assert cache.reserve("long", NOW + 600)
    clock.now = NOW + 100
    assert cache.count() == 1
    clock.now = NOW + 5
    assert cache.reserve("long", NOW + 600) is None
    assert cache.reserve("new", NOW + 600)


def test_all_is_well_once_the_clock_has_caught_up(cache: InMemoryCache, clock: Clock) -> None:
    assert cache.reserve("a", NOW + 60)
    clock.now = NOW + 100
    assert cache.count() == 0
    clock.now = NOW + 5
    with pytest.raises(CacheError):
        cache.reserve("b")
    clock.now = NOW + 61
    assert cache.reserve("b")


def test_what_was_forgotten_cannot_be_released(cache: InMemoryCache, clock: Clock) -> None:
    reservation = cache.reserve("a", NOW + 60)
    assert reservation
    clock.now = NOW + 100
    assert cache.count() == 0
    clock.now = NOW + 5
    assert reservation.release() is False
    assert cache.count() == 0


def test_an_entry_that_was_to_go_at_once_lives_until_the_next_second(clock: Clock) -> None:
    cache = InMemoryCache("default", {"TTL": 0})
    assert cache.reserve("a", NOW - 60)
    assert cache.reserve("a", NOW - 60) is None
    clock.now += 1
    assert cache.reserve("a", NOW - 60)
    assert cache.count() == 1


def test_a_clock_beyond_its_seconds_is_refused(cache: InMemoryCache, clock: Clock) -> None:
    """A record has 32 bits for its expiry. No process lives until 2106, but a clock may."""
    reservation = cache.reserve("a", 2**33)
    assert reservation
    assert reservation.expires_at.timestamp() == 2**33 + 1
    clock.now = 2**32 - 3
    assert cache.reserve("a", 2**33) is None
    assert cache.count() == 1
    clock.now = 2**32
    for call in (lambda: cache.reserve("a", 2**33), cache.count, reservation.release):
        with pytest.raises(CacheError, match="2106"):
            call()
