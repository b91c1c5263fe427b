"""The replay caches of ``JTI_REPLAY["CACHES"]``, by alias."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from asgiref.local import Local
from django.core.exceptions import ImproperlyConfigured
from django.utils.connection import BaseConnectionHandler, ConnectionProxy
from django.utils.module_loading import import_string

from . import conf
from .checks.caches import check_cache, check_section
from .checks.refusal import refuse_errors

if TYPE_CHECKING:
    from .backends.base import BaseReplayCache

    _Handler: TypeAlias = BaseConnectionHandler[BaseReplayCache]
else:
    _Handler = BaseConnectionHandler


class ReplayCacheHandler(_Handler):
    """
    Gives the replay cache of an alias: ``replay_caches["default"]``.

    Unlike Django's own handlers it gives every thread and event loop the same object. So
    what a cache remembers in memory is remembered for the whole process.

    Raises :exc:`~django.core.exceptions.ImproperlyConfigured` for an alias that is not
    configured, or not rightly.
    """

    settings_name = conf.SETTING
    exception_class = ImproperlyConfigured

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._backends: dict[str, BaseReplayCache] = {}

    def configure_settings(self, settings: dict[str, Any] | None) -> dict[str, Any]:
        """Read the settings that Django's handler would look for at the top level."""
        caches = conf.caches()
        refuse_errors(check_section(caches))
        return cast("dict[str, Any]", caches)

    def create_connection(self, alias: str) -> BaseReplayCache:
        """Give this thread the cache that the process has, or make it."""
        with self._lock:
            if alias not in self._backends:
                params = self.settings[alias]
                refuse_errors(check_cache(alias, params))
                self._backends[alias] = import_string(params["BACKEND"])(alias, params)
            return self._backends[alias]

    def close_all(self) -> None:
        """Let the connections of all caches go, in every thread."""
        with self._lock:
            for backend in self._backends.values():
                backend.close()

    def reset(self) -> None:
        """Let all caches go, what they remember in memory too, to build them anew."""
        self.close_all()
        with self._lock:
            self._backends.clear()
            self.__dict__.pop("settings", None)
            self._connections = Local(self.thread_critical)


replay_caches = ReplayCacheHandler()

replay_cache = cast("BaseReplayCache", ConnectionProxy(replay_caches, conf.DEFAULT_ALIAS))
