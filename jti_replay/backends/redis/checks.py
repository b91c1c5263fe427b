"""System checks of a cache in Redis."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error

from jti_replay.backends.checks import NO_CLIENT
from jti_replay.conf.rules import check_seconds, wrong_type

from .options import RedisOptions
from .transport.aliases import DJANGO, DJANGO_REDIS, UnsuitableAlias, alias_of
from .transport.connector import Connector, load_factory

UNUSABLE = "jti_replay.E014"
"""The id of all that is of the right type, and cannot work."""


def check_redis(
    alias: str,
    location: str,
    options: RedisOptions,
    connector: Connector,
    *,
    tries_client: bool,
) -> list[CheckMessage]:
    """
    Refuse options that cannot work, and a location that leads to no Redis.

    ``alias`` is that of the replay cache, ``location`` that of ``settings.CACHES``. Only
    ``tries_client`` makes what a request would make, which takes a moment.
    """
    of = f"of the replay cache {alias!r}"
    messages = [
        *_check_prefix(f"prefix {of}", options.prefix, is_cluster=options.is_cluster),
        *_check_wait(f"timeout {of}", "timeout", options.timeout),
        *_check_wait(f"replica_timeout {of}", "replica_timeout", options.replica_timeout),
        *_check_replicas(f"replicas {of}", options.replicas),
        *_check_client_factory(f"client_factory {of}", options.client_factory),
        *_check_location(alias, location),
    ]
    if tries_client and not messages:
        messages += _check_client(alias, location, connector)
    if not messages and options.replicas:
        messages += _check_time_for_replicas(of, options.replica_timeout, connector)
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


def _check_location(alias: str, location: str) -> list[CheckMessage]:
    try:
        alias_of(location)
    except UnsuitableAlias as error:
        return [
            Error(
                f"The replay cache {alias!r} is to use the cache {location!r}, which {error}.",
                hint="Set LOCATION to an alias of settings.CACHES whose BACKEND is "
                f"{DJANGO_REDIS!r} or {DJANGO!r}.",
                id="jti_replay.E005",
            )
        ]
    except Exception:
        return []  # It has a check of its own, which makes a client.
    return []


def _check_client(alias: str, location: str, connector: Connector) -> list[CheckMessage]:
    # What cannot work is found by making what a request would make. Nothing connects yet.
    try:
        connector.try_settings()
    except Exception as error:
        return [_unusable_settings(alias, location, error)]
    return []


def _unusable_settings(alias: str, location: str, error: Exception) -> CheckMessage:
    problem = f"{type(error).__name__}: {error}"
    if problem.startswith("ValueError: Port "):
        # It would quote what may be a part of the password.
        problem = "a port in its URL is no number, or its password is not percent-encoded."
    return Error(
        f"The replay cache {alias!r} cannot connect with the settings of the cache "
        f"{location!r}: {problem}",
        hint=f"Correct settings.CACHES[{location!r}], or set LOCATION to another alias. A "
        "CLIENT_CLASS that spreads keys over servers by itself, such as ShardClient, cannot "
        "be used; a Redis Cluster can, by OPTIONS['client_factory'].",
        id=NO_CLIENT,
    )


def _check_time_for_replicas(
    of: str, replica_timeout: float, connector: Connector
) -> list[CheckMessage]:
    try:
        wait = connector.wait
    except Exception:
        return []  # The same: it has a check of its own.
    if replica_timeout < wait:
        return []
    return [
        Error(
            f"replica_timeout {of} must be below {wait:.3g} seconds, which is what "
            "its timeout leaves for each attempt.",
            hint="Raise OPTIONS['timeout'], or lower OPTIONS['replica_timeout'].",
            id="jti_replay.E027",
        )
    ]
