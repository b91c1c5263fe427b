"""What the world is told of caches: each event once, to its signal and to the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.dispatch import Signal
from django.test import RequestFactory

from jti_replay import CacheError, CacheFull, replay_cache, signals
from jti_replay.backends.memory import InMemoryCache
from tests.backends.flawed import CannotRelease, Down
from tests.reservation.names import DIGEST, JTI, NAMESPACE

pytestmark = pytest.mark.usefixtures("cache_of_two")

Call = Callable[..., Any]

ALL = {
    "jti_reserved": signals.jti_reserved,
    "jti_replayed": signals.jti_replayed,
    "jti_released": signals.jti_released,
    "cache_failed": signals.cache_failed,
}


Event = tuple[str, dict[str, Any]]


@pytest.fixture(params=["to sync receivers", "to async receivers"])
def events(request: pytest.FixtureRequest) -> Iterator[list[Event]]:
    """The signals that were sent, with their arguments but for the signal itself."""
    told: list[Event] = []
    connected: list[tuple[Signal, Call]] = []

    def listen(name: str) -> Call:
        def receiver(**kwargs: Any) -> None:
            assert kwargs.pop("signal") is ALL[name]
            told.append((name, kwargs))

        async def areceiver(**kwargs: Any) -> None:
            await asyncio.sleep(0)
            receiver(**kwargs)

        return receiver if request.param == "to sync receivers" else areceiver

    for name, signal in ALL.items():
        receiver = listen(name)
        signal.connect(receiver)
        connected.append((signal, receiver))
    yield told
    for signal, receiver in connected:
        assert signal.disconnect(receiver)


def told_of_failure(events: list[Event], sender: type, digest: str = DIGEST) -> dict[str, Any]:
    [(name, kwargs)] = events
    assert name == "cache_failed"
    assert kwargs["sender"] is sender
    assert (kwargs["alias"], kwargs["namespace"]) == ("default", NAMESPACE)
    assert kwargs["digest"] == digest
    return kwargs


def test_a_reserve_is_told_once(call: Call, events: list[Event], rf: RequestFactory) -> None:
    request = rf.get("/")
    reservation = call(
        replay_cache, "reserve", JTI, namespace=NAMESPACE, request=request, profile="ci"
    )
    assert events == [
        (
            "jti_reserved",
            {
                "sender": InMemoryCache,
                "alias": "default",
                "namespace": NAMESPACE,
                "digest": DIGEST,
                "reservation": reservation,
                "request": request,
                "profile": "ci",
            },
        )
    ]


def test_each_of_several_that_expire_together_is_told_of(
    call: Call, events: list[Event]
) -> None:
    expires_at = int(time.time()) + 3600
    reservations = [call(replay_cache, "reserve", jti, expires_at) for jti in ("a", JTI)]
    assert [name for name, _ in events] == ["jti_reserved"] * 2
    assert [kwargs["reservation"] for _, kwargs in events] == reservations


def test_what_is_not_known_is_left_out(call: Call, events: list[Event]) -> None:
    call(replay_cache, "reserve", JTI)
    [(_, kwargs)] = events
    assert kwargs.keys() == {"sender", "alias", "namespace", "digest", "reservation"}
    assert kwargs["namespace"] == ""


def test_a_replay_is_told_once(call: Call, events: list[Event], rf: RequestFactory) -> None:
    request = rf.get("/")
    replay_cache.reserve(JTI, namespace=NAMESPACE)
    events.clear()
    assert (
        call(replay_cache, "reserve", JTI, namespace=NAMESPACE, request=request, profile="ci")
        is None
    )
    assert events == [
        (
            "jti_replayed",
            {
                "sender": InMemoryCache,
                "alias": "default",
                "namespace": NAMESPACE,
                "digest": DIGEST,
                "request": request,
                "profile": "ci",
            },
        )
    ]


def test_a_release_is_told_once(call: Call, events: list[Event], rf: RequestFactory) -> None:
    request = rf.get("/")
    reservation = replay_cache.reserve(JTI, namespace=NAMESPACE, request=request, profile="ci")
    events.clear()
    assert call(reservation, "release") is True
    assert call(reservation, "release") is False
    assert events == [
        (
            "jti_released",
            {
                "sender": InMemoryCache,
                "alias": "default",
                "namespace": NAMESPACE,
                "digest": DIGEST,
                "reservation": reservation,
                "request": request,
                "profile": "ci",
            },
        )
    ]


def test_a_release_by_name_is_told_without_a_reservation(
    call: Call, events: list[Event]
) -> None:
    replay_cache.reserve(JTI, namespace=NAMESPACE)
    events.clear()
    assert call(replay_cache, "release", JTI, namespace=NAMESPACE) is True
    assert call(replay_cache, "release", JTI, namespace=NAMESPACE) is False
    assert events == [
        (
            "jti_released",
            {
                "sender": InMemoryCache,
                "alias": "default",
                "namespace": NAMESPACE,
                "digest": DIGEST,
            },
        )
    ]


def test_a_full_cache_is_told_as_a_failure(call: Call, events: list[Event]) -> None:
    replay_cache.reserve("1")
    replay_cache.reserve("2")
    events.clear()
    with pytest.raises(CacheFull) as caught:
        call(replay_cache, "reserve", JTI, namespace=NAMESPACE)
    assert told_of_failure(events, InMemoryCache)["error"] is caught.value
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("operation", ["reserve", "release"])
def test_a_failure_of_the_store_is_told_once(
    call: Call, events: list[Event], operation: str, settings: Any
) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": "tests.backends.flawed.Down"}}}
    with pytest.raises(CacheError, match=r"OSError: down") as caught:
        call(replay_cache, operation, JTI, namespace=NAMESPACE)
    assert isinstance(caught.value.__cause__, OSError)
    kwargs = told_of_failure(events, Down)
    assert kwargs["error"] is caught.value
    assert "reservation" not in kwargs


def test_a_failed_release_is_told_with_its_reservation(
    call: Call, events: list[Event], settings: Any
) -> None:
    backend = "tests.backends.flawed.CannotRelease"
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": backend}}}
    reservation = replay_cache.reserve(JTI, namespace=NAMESPACE)
    events.clear()
    with pytest.raises(CacheError):
        call(reservation, "release")
    assert told_of_failure(events, CannotRelease)["reservation"] is reservation


def test_wrong_arguments_are_no_event(call: Call, events: list[Event]) -> None:
    for wrong in ({"jti": ""}, {"jti": "a", "expires_at": float("nan")}):
        with pytest.raises(ValueError, match=r"jti|expires_at"):
            call(replay_cache, "reserve", **wrong)
    assert events == []


@pytest.fixture(params=["sync", "async"])
def broken_receivers(request: pytest.FixtureRequest) -> Iterator[None]:
    def broken(**kwargs: Any) -> None:
        raise RuntimeError("a broken receiver")

    async def abroken(**kwargs: Any) -> None:
        raise RuntimeError("a broken receiver")

    receiver = broken if request.param == "sync" else abroken
    for signal in ALL.values():
        signal.connect(receiver)
    yield
    for signal in ALL.values():
        assert signal.disconnect(receiver)


@pytest.mark.usefixtures("broken_receivers")
def test_a_receiver_that_raises_decides_nothing(call: Call, events: list[Event]) -> None:
    """And the receivers behind it are told."""
    reservation = call(replay_cache, "reserve", JTI)
    assert reservation
    assert call(replay_cache, "reserve", JTI) is None
    assert call(reservation, "release") is True
    call(replay_cache, "reserve", "1")
    call(replay_cache, "reserve", "2")
    with pytest.raises(CacheFull):
        call(replay_cache, "reserve", "3")
    assert [name for name, _ in events] == [
        "jti_reserved",
        "jti_replayed",
        "jti_released",
        "jti_reserved",
        "jti_reserved",
        "cache_failed",
    ]


async def test_an_async_receiver_decides_nothing_for_a_sync_call_on_an_event_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Django cannot run it there, and raises."""

    async def receiver(**kwargs: Any) -> None:
        raise AssertionError("not reached")

    for signal in ALL.values():
        signal.connect(receiver)
    try:
        reservation = replay_cache.reserve(JTI)
        assert reservation
        assert replay_cache.reserve(JTI) is None
        assert reservation.release() is True
    finally:
        for signal in ALL.values():
            assert signal.disconnect(receiver)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 3
    assert JTI not in caplog.text
