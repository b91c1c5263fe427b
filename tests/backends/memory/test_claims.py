"""The claims of events in memory, where they are no entries of the table."""

from __future__ import annotations

from typing import Any

import pytest

from jti_replay import CacheFull, ColdStart
from jti_replay.backends.claims import Claimed
from jti_replay.backends.memory import InMemoryCache
from jti_replay.backends.memory.claims import FEW
from tests.backends.memory.interrupting import Interrupter, Interruption, each_place, strike
from tests.backends.memory.soundness import assert_sound, cache_with
from tests.backends.memory.wall_clock import NOW, Clock


def claim(cache: InMemoryCache, jti: str, *, lease: float = 300, since: float = NOW) -> Any:
    return cache.claim("feed", jti, NOW + lease, since if cache.refuses_cold_start else None)


def test_a_claim_is_no_entry(clock: Clock) -> None:
    cache = cache_with("a")
    claim(cache, "b")
    assert cache.count() == 1


def test_what_is_claimed_has_room_at_the_end(clock: Clock) -> None:
    """An event is refused before its view, not after it, if its jti could not be kept."""
    cache = InMemoryCache("default", {"OPTIONS": {"max_entries": 2}})
    assert cache.reserve("a")
    owner, _ = claim(cache, "b")
    with pytest.raises(CacheFull):
        claim(cache, "c")
    assert claim(cache, "b") is Claimed.RUNNING
    assert cache.reserve("b", namespace="feed")
    assert cache.drop_claim("feed", "b", owner)
    assert claim(cache, "b") is Claimed.SETTLED


def test_claims_that_were_never_dropped_are_forgotten(clock: Clock) -> None:
    """Their requests were interrupted, and their events did not come again."""
    cache = InMemoryCache("default", {})
    for number in range(FEW):
        claim(cache, f"lapses {number}", lease=10)
    clock.now = NOW + 20
    claim(cache, "runs")
    assert list(cache._claims._running) == [cache._digest("feed", "runs")]
    for number in range(2 * FEW):
        claim(cache, f"runs {number}")
    assert len(cache._claims._running) == 2 * FEW + 1


def test_a_cold_start_refuses_a_claim(clock: Clock) -> None:
    cache = InMemoryCache("default", {"COLD_START": "refuse"})
    with pytest.raises(ColdStart):
        claim(cache, "a", since=NOW - 1)
    assert isinstance(claim(cache, "a", since=NOW + 1), tuple)


def test_an_interrupted_claim_leaves_the_cache_usable(clock: Clock) -> None:
    """At worst its event runs again after the lease."""

    def work(interrupter: Interrupter) -> None:
        clock.now = NOW
        cache = cache_with("a", "b")
        try:
            interrupter.run(lambda: claim(cache, "new", lease=10))
        except Interruption:
            pass
        assert_sound(cache)
        assert cache.count() == 2
        clock.now = NOW + 11
        assert isinstance(claim(cache, "new"), tuple)

    assert each_place(work, strike) > 5
