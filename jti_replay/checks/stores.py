"""What the stores themselves say. It asks them, so it is opt-in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from jti_replay.backends.base import BaseReplayCache
from jti_replay.caches import replay_caches
from jti_replay.doctor.examination import examine

from .asking import is_asked_for


def check_stores(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """
    Repeat what ``manage.py jti_replay doctor`` finds, for ``check --database``.

    Of the caches in databases only those are asked whose database is named.
    """
    if not is_asked_for(databases):
        return []
    try:
        caches = replay_caches.all()
    except ImproperlyConfigured:
        return []  # The other checks say what is wrong.
    found = examine(cache for cache in caches if _is_meant(cache, databases or ()))
    return [
        (Error if finding.level == "error" else Warning)(
            f"The replay cache {alias!r}, {finding.key}: {finding.text}",
            hint=finding.hint,
            id=finding.check,
        )
        for alias, findings in found.items()
        for finding in findings
        if finding.level != "ok"
    ]


def _is_meant(cache: BaseReplayCache, databases: Sequence[str]) -> bool:
    from jti_replay.backends.database import DatabaseCache

    return not isinstance(cache, DatabaseCache) or cache.location in databases
