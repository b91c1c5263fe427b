"""What is wrong with the settings of a cache in Redis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string
from django_redis.cache import RedisCache as DjangoRedisCache

from jti_replay.backends.redis.transport.connector import Connector, load_factory
from jti_replay.conf.rules import check_seconds, wrong_type

if TYPE_CHECKING:
    from .cache import RedisCache

UNUSABLE = "jti_replay.E014"
"""The id of all that is of the right type, and cannot work."""


def check_redis(cache: RedisCache) -> list[CheckMessage]:
    """Refuse options that cannot work, and a location that django-redis does not serve."""
    of = f"of the replay cache {cache.alias!r}"
    messages = [
        *_check_prefix(f"prefix {of}", cache.prefix, is_cluster=cache.connector.is_cluster),
        *_check_wait(f"timeout {of}", "timeout", cache.timeout),
        *_check_wait(f"replica_timeout {of}", "replica_timeout", cache.replica_timeout),
        *_check_replicas(f"replicas {of}", cache.replicas),
        *_check_client_factory(f"client_factory {of}", cache.client_factory),
        *_check_location(cache),
    ]
    if not messages and cache.replicas:
        messages += _check_time_for_replicas(of, cache.replica_timeout, cache.connector)
    return messages


def _check_prefix(where: str, prefix: object, *, is_cluster: bool) -> list[CheckMessage]:
    if not isinstance(prefix, str):
        return [wrong_type(where, prefix, "a str")]
    if is_cluster and "{" in prefix:
        return [
            Error(
                f"{where} holds a '{{': it would put all keys onto one node of the cluster.",
                hint="Leave the '{' out of OPTIONS['prefix'].",
                id=UNUSABLE,
            )
        ]
    return []


def _check_wait(where: str, name: str, seconds: float) -> list[CheckMessage]:
    if seconds == 0 and not isinstance(seconds, bool):
        return [
            Error(
                f"{where} must not be 0.",
                hint=f"Set OPTIONS[{name!r}] to a number of seconds such as 0.1.",
                id=UNUSABLE,
            )
        ]
    return check_seconds(where, seconds)


def _check_replicas(where: str, replicas: object) -> list[CheckMessage]:
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        return [wrong_type(where, replicas, "an int")]
    if replicas < 0:
        return [
            Error(
                f"{where} must not be negative.",
                hint="Set OPTIONS['replicas'] to 1 or more, or leave it out.",
                id=UNUSABLE,
            )
        ]
    return []


def _check_client_factory(where: str, path: Any) -> list[CheckMessage]:
    if path is None:
        return []
    if not isinstance(path, str):
        return [wrong_type(where, path, "a str")]
    try:
        if callable(load_factory(path)) and not path.startswith("redis.asyncio."):
            return []
        problem = "is nothing that makes a client for threads"
    except (ImportError, AttributeError) as error:
        problem = f"cannot be imported: {error}"
    return [
        Error(
            f"{where} {problem}.",
            hint="Set OPTIONS['client_factory'] to 'redis.cluster.RedisCluster.from_url', or "
            "to the path of a function f(url, **kwargs) that returns a RedisCluster.",
            id="jti_replay.E019",
        )
    ]


def _check_location(cache: RedisCache) -> list[CheckMessage]:
    caches: Mapping[str, Any] = settings.CACHES
    try:
        backend = import_string(caches[cache.location]["BACKEND"])
    except KeyError:
        problem = "settings.CACHES does not name"
    except ImportError:
        problem = "names a BACKEND that cannot be imported"
    else:
        if issubclass(backend, DjangoRedisCache):
            return []
        problem = "is not served by django-redis"
    return [
        Error(
            f"The replay cache {cache.alias!r} is to use the cache {cache.location!r}, which "
            f"{problem}.",
            hint="Set LOCATION to an alias of settings.CACHES whose BACKEND is "
            "'django_redis.cache.RedisCache'.",
            id="jti_replay.E005",
        )
    ]


def _check_time_for_replicas(
    of: str, replica_timeout: float, connector: Connector
) -> list[CheckMessage]:
    if replica_timeout < connector.wait:
        return []
    return [
        Error(
            f"replica_timeout {of} must be below {connector.wait:.3g} seconds, which is what "
            "its timeout leaves for each attempt.",
            hint="Raise OPTIONS['timeout'], or lower OPTIONS['replica_timeout'].",
            id="jti_replay.E027",
        )
    ]
