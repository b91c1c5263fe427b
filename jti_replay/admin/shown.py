"""Which cache the admin shows."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from jti_replay.backends.database import DatabaseCache
from jti_replay.caches import replay_caches


def shown_cache() -> DatabaseCache | None:
    """Return the first DatabaseCache, or None without one."""
    try:
        caches = replay_caches.all()
    except ImproperlyConfigured:
        return None  # The checks say what is wrong.
    return next((cache for cache in caches if isinstance(cache, DatabaseCache)), None)
