"""The aliases of ``settings.CACHES`` that a Redis stands behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.cache.backends.redis import RedisCache
from django.utils.module_loading import import_string

from .alias import Alias
from .django_alias import DjangoAlias

DJANGO_REDIS = "django_redis.cache.RedisCache"
DJANGO = "django.core.cache.backends.redis.RedisCache"


class UnsuitableAlias(Exception):
    """Raised for an alias that leads to no Redis. The message completes "The alias ..."."""


def alias_of(name: str) -> Alias:
    """Return what an alias of ``settings.CACHES`` says. Raise :exc:`UnsuitableAlias`."""
    params: Any = settings.CACHES.get(name)
    if not isinstance(params, Mapping) or "BACKEND" not in params:
        raise UnsuitableAlias("is not in settings.CACHES")
    try:
        backend = import_string(params["BACKEND"])
    except ImportError as error:
        raise UnsuitableAlias(f"names a BACKEND that cannot be imported: {error}") from error
    if issubclass(backend, RedisCache):
        return DjangoAlias(params)
    try:
        from django_redis.cache import RedisCache as DjangoRedisCache

        from .django_redis_alias import DjangoRedisAlias
    except ImportError:  # It need not be installed.
        pass
    else:
        if issubclass(backend, DjangoRedisCache):
            return DjangoRedisAlias(backend, params)
    raise UnsuitableAlias("serves no Redis")
