"""What the doctor says of a cache in memory, of one of somebody else's, and of broken ones."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from typing import Any

import pytest

from jti_replay import replay_cache, replay_caches, signals
from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.findings import Finding, Unusable
from jti_replay.doctor.examination import examine
from jti_replay.doctor.probe import examine_writing
from jti_replay.reservation.key import JTIKey
from tests.stopwatch import takes_at_most

from .conftest import Examine

MEMORY = "jti_replay.backends.memory.InMemoryCache"
BASE = {"BACKEND": f"{__name__}.SetCache"}


class SetCache(BaseReplayCache):
    """Somebody's backend, which says nothing of its own."""

    def __init__(self, alias: str, params: Any) -> None:
        super().__init__(alias, params)
        self.held: set[bytes] = set()

    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        if key in self.held:
            return None
        self.held.add(key)
        return 1, deadline

    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        held = key in self.held
        self.held.discard(key)
        return held


class ReadOnlyCache(SetCache):
    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        raise OSError("read-only")


class BoastfulCache(SetCache):
    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        return True


class UnusableCache(SetCache):
    def diagnose(self) -> Iterator[Finding]:
        yield Finding.ok("reachable", True, "It answers.")
        raise Unusable(Finding.error("migrated", False, "No.", hint="Do.", check="E"))


class StuckCache(SetCache):
    def diagnose(self) -> Iterator[Finding]:
        # A thread that never ends must not keep the command from ending.
        assert threading.current_thread().daemon
        yield Finding.ok("reachable", True, "It answers, at first.")
        threading.Event().wait(5)


def test_the_memory_of_a_process_is_warned_of(findings: Examine, settings: Any) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": MEMORY}}}
    replay_cache.reserve("a")
    found = findings()
    assert {key for key, finding in found.items() if finding.level != "ok"} == {"shared"}
    assert found["shared"].check == "jti_replay.W001"
    assert (found["entries"].value, found["bytes-per-entry"].value) == (1, 24)
    assert found["complete-since"].value is None
    assert "COLD_START is 'accept'" in found["complete-since"].text


def test_a_cache_that_refuses_after_a_cold_start_is_tried_as_well(
    findings: Examine, settings: Any
) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": MEMORY, "COLD_START": "refuse"}}}
    found = findings()
    assert found["writes"].level == "ok"
    assert "COLD_START is 'refuse'" in found["complete-since"].text


def test_a_memory_that_has_not_begun_is_no_error() -> None:
    """The doctor does not begin it either."""
    [found] = examine([SetCache("default", {"COLD_START": "refuse"})]).values()
    assert {finding.level for finding in found} == {"ok"}
    assert "begins with the first token" in found[-1].text


def test_a_store_that_cannot_be_used_is_examined_no_further() -> None:
    [found] = examine([UnusableCache("default", {})]).values()
    assert [finding.key for finding in found] == ["reachable", "migrated"]


def test_a_full_cache_is_an_error(findings: Examine, settings: Any) -> None:
    settings.JTI_REPLAY = {
        "CACHES": {"default": {"BACKEND": MEMORY, "OPTIONS": {"max_entries": 1}}}
    }
    assert replay_cache.reserve("a")
    finding = findings()["entries"]
    assert (finding.value, finding.level) == (1, "error")
    assert (finding.check, "full" in finding.text) == ("jti_replay.E026", True)


def test_probes_send_no_signals(findings: Examine) -> None:
    heard: list[Any] = []

    def hear(**kwargs: Any) -> None:
        heard.append(kwargs)

    told = (signals.jti_reserved, signals.jti_replayed, signals.jti_released)
    for signal in told:
        signal.connect(hear)
    try:
        findings()
    finally:
        for signal in told:
            signal.disconnect(hear)
    assert heard == []


def test_any_backend_is_tried_without_a_word_of_its_own(
    findings: Examine, settings: Any
) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": BASE}}
    found = findings()
    assert {finding.level for finding in found.values()} == {"ok"}
    assert (found["entries"].value, found["complete-since"].value) == (None, None)


@pytest.mark.parametrize("kind", [ReadOnlyCache, BoastfulCache])
def test_a_store_that_takes_no_writes_is_an_error(kind: type[SetCache]) -> None:
    [finding] = examine_writing(kind("default", {}))
    assert (finding.level, finding.check) == ("error", "jti_replay.E026")


def test_one_that_never_ends_is_given_up_beside_the_others() -> None:
    with takes_at_most(2):
        found = examine([StuckCache("stuck", {}), SetCache("well", {})], limit=0.2)
    assert [(f.key, f.level) for f in found["stuck"]] == [
        ("reachable", "ok"),
        ("reachable", "error"),
    ]
    assert "0.2 seconds" in found["stuck"][-1].text
    assert {finding.level for finding in found["well"]} == {"ok"}


def test_all_caches_are_asked(settings: Any) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": MEMORY}, "other": BASE}}
    assert set(examine(replay_caches.all())) == {"default", "other"}
