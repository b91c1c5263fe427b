"""The in-memory cache against a plain dict that does the same."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from jti_replay import CacheError, CacheFull, Reservation
from jti_replay.backends.memory import InMemoryCache
from tests.backends.memory.interrupting import Interrupter, Interruption

START = 1_800_000_000
TTL = 3
LONG = (3000, 6000, 9000, 1_000_000)
"""Lifetimes in seconds, most of which are counted in another way."""


class CacheAndModel(RuleBasedStateMachine):
    reservations = Bundle("reservations")

    @initialize(max_entries=st.sampled_from([1, 7, 200]), fraction=st.sampled_from([0.0, 0.25]))
    def start(self, max_entries: int, fraction: float) -> None:
        self.monkeypatch = pytest.MonkeyPatch()
        self.now = START + fraction
        self.monkeypatch.setattr(time, "time", lambda: self.now)
        self.cache = InMemoryCache(
            "model", {"TTL": TTL, "OPTIONS": {"max_entries": max_entries}}
        )
        self.max_entries = max_entries
        self.model: dict[tuple[str, str], tuple[int, Reservation]] = {}

    def teardown(self) -> None:
        if hasattr(self, "monkeypatch"):
            self.monkeypatch.undo()

    def live(self) -> dict[tuple[str, str], tuple[int, Reservation]]:
        return {name: held for name, held in self.model.items() if held[0] > self.now}

    @rule(
        target=reservations,
        namespace=st.sampled_from(["", "a", "b"]),
        number=st.integers(0, 300),
        lifetime=st.none() | st.integers(-5, 30) | st.floats(-5, 30) | st.sampled_from(LONG),
        whole=st.booleans(),
    )
    def reserve(self, namespace: str, number: int, lifetime: float | None, whole: bool) -> Any:
        return self.reserve_one(namespace, str(number), self.expiry(lifetime, whole))

    @rule(
        target=reservations,
        first=st.integers(0, 200),
        lifetime=st.integers(0, 30) | st.sampled_from(LONG),
        whole=st.booleans(),
    )
    def reserve_many(self, first: int, lifetime: int, whole: bool) -> Any:
        expires_at = self.expiry(lifetime, whole)
        made = [self.reserve_one("", str(first + step), expires_at) for step in range(100)]
        return multiple(*[one for one in made if isinstance(one, Reservation)][:3])

    def expiry(self, lifetime: float | None, whole: bool) -> float | None:
        # Whole numbers go another way through the code.
        if lifetime is None:
            return None
        return math.floor(self.now + lifetime) if whole else self.now + lifetime

    def reserve_one(self, namespace: str, jti: str, expires_at: float | None) -> Any:
        live = self.live()
        try:
            reservation = self.cache.reserve(jti, expires_at, namespace=namespace)
        except CacheFull:
            assert (namespace, jti) not in live
            assert len(live) == self.max_entries
            return multiple()
        if reservation is None:
            assert (namespace, jti) in live
            return multiple()
        assert (namespace, jti) not in live
        assert len(live) < self.max_entries
        earliest = max(self.now + TTL, (expires_at or 0) + 1)
        expiry = reservation.expires_at.timestamp()
        assert earliest <= expiry < earliest + 1
        self.model[namespace, jti] = math.ceil(expiry), reservation
        return reservation

    @rule(number=st.integers(0, 300), lifetime=st.integers(-5, 30), place=st.integers(0, 40))
    def be_interrupted(self, number: int, lifetime: int, place: int) -> None:
        """An exception strikes in a reserve. If it comes out, nothing has changed."""
        interrupter = Interrupter(place, self.strike)
        with suppress(Interruption):
            self.interrupted(interrupter, str(number), self.now + lifetime)

    @rule(number=st.integers(0, 300), lifetime=st.integers(-5, 30), place=st.integers(0, 40))
    def come_in_between(self, number: int, lifetime: int, place: int) -> None:
        """A count comes in between, as from a finalizer. It works or raises."""
        interrupter = Interrupter(place, self.count_or_be_refused)
        self.interrupted(interrupter, str(number), self.now + lifetime)

    def interrupted(self, interrupter: Interrupter, jti: str, expires_at: float) -> None:
        cache, reserve = self.cache, self.cache.reserve
        cache.reserve = partial(interrupter.run_with, reserve)  # type: ignore[method-assign]
        try:
            self.reserve_one("", jti, expires_at)
        finally:
            del cache.reserve  # type: ignore[method-assign]

    def strike(self) -> NoReturn:
        raise Interruption

    def count_or_be_refused(self) -> None:
        try:
            assert self.cache.count() <= self.max_entries
        except CacheError as error:
            assert "interrupts" in str(error)  # noqa: PT017

    @rule(reservation=consumes(reservations))
    def release(self, reservation: Reservation) -> None:
        name = reservation.namespace, reservation.jti
        held = self.live().get(name)
        owns = held is not None and held[1] is reservation
        assert reservation.release() is owns
        assert reservation.release() is False
        if owns:
            del self.model[name]

    @rule(namespace=st.sampled_from(["", "a"]), number=st.integers(0, 300))
    def release_by_name(self, namespace: str, number: int) -> None:
        name = namespace, str(number)
        assert self.cache.release(name[1], namespace=namespace) is (name in self.live())
        self.model.pop(name, None)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 2.75, 20.0, 3000.0, 100_000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def the_count_is_exact(self) -> None:
        if hasattr(self, "cache"):
            assert self.cache.count() == len(self.live())


TestCacheAndModel = CacheAndModel.TestCase
TestCacheAndModel.settings = settings(
    max_examples=40, stateful_step_count=50, deadline=None, derandomize=True
)
