from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jti_replay.tokens import ages

from . import doors
from .clock import Clock
from .issuer import Issuer
from .tokens import CACHES, PROFILE


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """Give a function that changes the default profile. None removes a setting."""

    def configure(**changes: Any) -> None:
        profile = {k: v for k, v in (PROFILE | changes).items() if v is not None}
        settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": profile}}

    return configure


@pytest.fixture(autouse=True)
def _default_profile(configure: Callable[..., None]) -> None:
    configure()


@pytest.fixture(params=["sync", "async"])
def knock(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Send a request to a view, to a sync one and to an async one in turn."""
    return doors.knock if request.param == "sync" else doors.knock_on_a_new_loop


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer that publishes its keys over HTTP."""
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock for the ages of keys, which a test pushes forward."""
    clock = Clock()
    monkeypatch.setattr(ages, "time", clock)
    return clock
