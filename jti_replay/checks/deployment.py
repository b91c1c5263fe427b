"""What is not safe enough to be deployed, for ``manage.py check --deploy``."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Warning

from .caches import WHERE as CACHES
from .caches import load_backend
from .profiles import WHERE as PROFILES


def warnings(caches: Any, profiles: Any) -> list[CheckMessage]:
    """Warn of caches that processes do not share, and of profiles that accept too much."""
    return [
        *(
            Warning(
                f"{CACHES}[{alias!r}] is in the memory of one process: each of several workers "
                "accepts a token once.",
                hint="Use RedisCache, or DatabaseCache if there is no Redis, unless the site "
                "is served by one process.",
                id="jti_replay.W001",
            )
            for alias, params in _entries(caches)
            if not _is_shared(params)
        ),
        *(
            Warning(
                f"{PROFILES}[{name!r}] has no {key}: {danger}.",
                hint=f"Set {key}.",
                id=id_,
            )
            for name, params in _entries(profiles)
            for key, danger, id_ in (
                (
                    "AUDIENCE",
                    "a token that was made for another service is accepted",
                    "jti_replay.W002",
                ),
                (
                    "ISSUER",
                    "a token of anybody who has a key is accepted under any name",
                    "jti_replay.W003",
                ),
            )
            if key not in params
        ),
    ]


def _entries(section: Any) -> list[tuple[Any, dict[str, Any]]]:
    # What is of a wrong type has been refused already.
    if not isinstance(section, dict):
        return []
    return [(name, params) for name, params in section.items() if isinstance(params, dict)]


def _is_shared(params: dict[str, Any]) -> bool:
    try:
        return load_backend(params.get("BACKEND")).is_shared
    except ImportError:
        return True
