from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.tokens.conftest import _default_profile, configure, issuer, knock  # noqa: F401
from tests.tokens.tokens import CACHES

from .sending import Site


@pytest.fixture(params=["sync", "async"])
def dpop_site(request: pytest.FixtureRequest, settings: Any) -> Callable[..., Site]:
    """Give a function that makes a view, sync and async in turn, behind a profile."""

    def make(profile: dict[str, Any], **changes: Any) -> Site:
        caches = changes.pop("caches", CACHES)
        settings.JTI_REPLAY = {"CACHES": caches, "PROFILES": {"api": profile | changes}}
        return Site("api", is_async=request.param == "async", atomic=False)

    return make
