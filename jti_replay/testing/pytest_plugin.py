"""A plugin for pytest, which pytest finds by its entry point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jti_replay.backends.memory import InMemoryCache


@pytest.fixture
def jti_caches() -> Iterator[dict[str, InMemoryCache]]:
    """Let every replay cache be an empty one in memory. The value maps aliases to them."""
    # The settings are read when a test asks, not when pytest starts.
    from django.test import override_settings

    from jti_replay import conf
    from jti_replay.caches import replay_caches

    params = conf.DEFAULT_CACHES[conf.DEFAULT_ALIAS]
    aliases = {conf.DEFAULT_ALIAS, *(alias for alias, _ in conf.entries(conf.caches()))}
    configured = {
        "CACHES": dict.fromkeys(aliases, params),
        "PROFILES": conf.profiles(),
    }
    with override_settings(**{conf.SETTING: configured}):
        yield {alias: replay_caches[alias] for alias in aliases}  # type: ignore[misc]
