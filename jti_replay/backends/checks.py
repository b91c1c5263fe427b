"""What is wrong with ``JTI_REPLAY["CACHES"]``."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from jti_replay import conf
from jti_replay.backends.base import BaseReplayCache
from jti_replay.conf.rules import check_aliases, check_mapping, check_seconds, wrong_type
from jti_replay.reservation.cold_start import ACCEPT, CHOICES, REFUSE

WHERE = f'{conf.SETTING}["CACHES"]'
NO_DEFAULT = "jti_replay.E003"
NO_CLIENT = "jti_replay.E036"
KNOWN_KEYS = ("BACKEND", "LOCATION", "TTL", "COLD_START", "OPTIONS")
BUILT_IN = (
    "jti_replay.backends.memory.InMemoryCache",
    "jti_replay.backends.redis.RedisCache",
    "jti_replay.backends.database.DatabaseCache",
)


def check_section(caches: Any) -> list[CheckMessage]:
    """Refuse a section that is no dict of caches with one named default."""
    if not isinstance(caches, dict):
        return [wrong_type(WHERE, caches, "a dict")]
    messages = check_aliases(WHERE, caches)
    if conf.DEFAULT_ALIAS not in caches:
        messages.append(
            Error(
                f"{WHERE} has no cache named {conf.DEFAULT_ALIAS!r}.",
                hint=f"Name one of the caches {conf.DEFAULT_ALIAS!r}: it serves every profile "
                "that names no other.",
                id=NO_DEFAULT,
            )
        )
    return messages


def check_cache(alias: str, params: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse the settings of one cache that cannot work, by its backend's rules too."""
    where = f"{WHERE}[{alias!r}]"
    messages = check_mapping(where, params, KNOWN_KEYS)
    if not isinstance(params, dict):
        return messages
    if not isinstance(params.get("LOCATION", ""), str):
        messages.append(wrong_type(f'{where}["LOCATION"]', params["LOCATION"], "a str"))
    if "TTL" in params:
        messages += check_seconds(f'{where}["TTL"]', params["TTL"])
    options = params.get("OPTIONS", {})
    try:
        backend = load_backend(params.get("BACKEND"))
    except ImportError as error:
        messages.append(
            Error(
                f'{where}["BACKEND"] is {params.get("BACKEND")!r:.200}, which names no replay '
                f"cache: {error}.",
                hint=f"Use one of {', '.join(BUILT_IN)}, or the path of a subclass of "
                "jti_replay.backends.base.BaseReplayCache.",
                id="jti_replay.E004",
            )
        )
    else:
        messages += check_mapping(f'{where}["OPTIONS"]', options, backend.known_options)
        messages += _check_cold_start(f'{where}["COLD_START"]', params, backend)
        if not messages:
            messages += backend(alias, params).check(**kwargs)
    return messages


def _check_cold_start(
    where: str, params: dict[str, Any], backend: type[BaseReplayCache]
) -> list[CheckMessage]:
    choice = params.get("COLD_START", ACCEPT)
    if choice not in CHOICES:
        problem, hint = f"must be one of {CHOICES}", f"Set it to {ACCEPT!r} or {REFUSE!r}."
    elif choice == REFUSE and backend.complete_since is BaseReplayCache.complete_since:
        problem = (
            f"cannot be {REFUSE!r}: the backend does not know how far its memory goes back"
        )
        hint = "Let the backend provide complete_since(), or leave COLD_START out."
    else:
        return []
    return [Error(f"{where} {problem}.", hint=hint, id="jti_replay.E018")]


def load_backend(path: Any) -> type[BaseReplayCache]:
    """Return the class of a backend. Raises :exc:`ImportError` if the path names none."""
    if path is None:
        raise ImportError("it is missing")
    if not isinstance(path, str):
        raise ImportError(f"it is not a str but {type(path).__name__}")
    try:
        backend = import_string(path)
    except ImportError:
        raise
    except Exception as error:  # The module may raise anything.
        raise ImportError(f"{path!r}: {type(error).__name__}: {error}") from error
    if isinstance(backend, type) and issubclass(backend, BaseReplayCache):
        return backend
    raise ImportError(f"{path!r} is no subclass of BaseReplayCache")


def deployment_warnings() -> list[CheckMessage]:
    """Warn of caches that processes do not share, for ``manage.py check --deploy``."""
    return [
        Warning(
            f"{WHERE}[{alias!r}] is in the memory of one process: each of several workers "
            "accepts a token once.",
            hint="Use RedisCache, or DatabaseCache if there is no Redis, unless the site "
            "is served by one process.",
            id="jti_replay.W001",
        )
        for alias, params in conf.entries(conf.caches())
        if not _is_shared(params)
    ]


def _is_shared(params: dict[str, Any]) -> bool:
    try:
        return load_backend(params.get("BACKEND")).is_shared
    except ImportError:
        return True
