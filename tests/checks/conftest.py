from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage

from .configurations import cache, found, profile


@pytest.fixture
def check(settings: Any) -> Callable[..., list[CheckMessage]]:
    """Give a function that sets JTI_REPLAY, and returns what the system checks say of it."""

    def check(value: Any, *, deploy: bool = False) -> list[CheckMessage]:
        settings.JTI_REPLAY = value
        return found(deploy=deploy)

    return check


@pytest.fixture
def check_profile(check: Callable[..., Any]) -> Callable[..., list[CheckMessage]]:
    """Give a function that checks a profile that is good but for the changes."""
    return lambda **changes: check({"PROFILES": {"default": profile(**changes)}})


@pytest.fixture
def check_cache(check: Callable[..., Any]) -> Callable[..., list[CheckMessage]]:
    """Give a function that checks an in-memory cache that is good but for the changes."""
    return lambda **changes: check({"CACHES": {"default": cache(**changes)}})
