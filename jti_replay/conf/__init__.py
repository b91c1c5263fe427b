"""The settings of this app: where they are, and what they are when they are absent."""

from __future__ import annotations

from typing import Any

from django.conf import settings

SETTING = "JTI_REPLAY"
DEFAULT_ALIAS = "default"
DEFAULT_PROFILE = "default"

DEFAULT_CACHES: dict[str, Any] = {
    DEFAULT_ALIAS: {"BACKEND": "jti_replay.backends.memory.InMemoryCache"}
}
"""The caches of a project that names none."""

FOLLOWED_SETTINGS = frozenset({SETTING, "CACHES", "DATABASES"})
"""The settings whose change makes the app forget its caches and profiles."""


def section(name: str, default: Any) -> Any:
    """Return a part of ``JTI_REPLAY`` as it stands there, right or wrong."""
    configured = getattr(settings, SETTING, {})
    if not isinstance(configured, dict):
        return configured  # Its type is wrong, which the checks say.
    return configured.get(name, default)


def caches() -> Any:
    """Return ``JTI_REPLAY["CACHES"]``, unchecked."""
    return section("CACHES", DEFAULT_CACHES)


def profiles() -> Any:
    """Return ``JTI_REPLAY["PROFILES"]``, unchecked."""
    return section("PROFILES", {})


def entries(configured: Any) -> list[tuple[Any, dict[str, Any]]]:
    """Return the named dicts of a section, without what is of a wrong type."""
    if not isinstance(configured, dict):
        return []
    return [(name, params) for name, params in configured.items() if isinstance(params, dict)]
