"""Whether the tables are there that the caches need. It asks the database, so it is opt-in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from jti_replay.caches import replay_caches


def check_tables(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse a cache whose database has not been migrated, for ``check --database``."""
    from jti_replay.backends.database import DatabaseCache
    from jti_replay.backends.database_table import NAME

    try:
        caches = replay_caches.all()
    except ImproperlyConfigured:
        return []  # The other checks say what is wrong.
    return [
        Error(
            f"The replay cache {cache.alias!r} has no table on the database "
            f"{cache.location!r}.",
            hint=f"Run 'manage.py migrate jti_replay --database={cache.location}'. A router's "
            "allow_migrate() must not refuse it.",
            id="jti_replay.E016",
        )
        for cache in caches
        if isinstance(cache, DatabaseCache)
        and cache.location in (databases or ())
        and NAME not in connections[cache.location].introspection.table_names()
    ]
