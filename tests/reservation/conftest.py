from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture
def cache_of_two(settings: Any) -> None:
    """Let the default cache hold two entries at most."""
    memory = "jti_replay.backends.memory.InMemoryCache"
    settings.JTI_REPLAY = {
        "CACHES": {"default": {"BACKEND": memory, "OPTIONS": {"max_entries": 2}}}
    }


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Call a method of a cache or a reservation, or its asynchronous twin."""

    def do(owner: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        if request.param == "sync":
            return getattr(owner, name)(*args, **kwargs)

        async def run() -> Any:
            return await getattr(owner, f"a{name}")(*args, **kwargs)

        return asyncio.run(run())

    return do
