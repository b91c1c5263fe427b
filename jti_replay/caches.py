"""The replay caches of ``JTI_REPLAY["CACHES"]``, by alias."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from django.core.exceptions import ImproperlyConfigured
from django.utils.connection import BaseConnectionHandler, ConnectionProxy
from django.utils.module_loading import import_string

from jti_replay.backends.checks import NO_CLIENT, NO_DEFAULT, check_cache, check_section
from jti_replay.conf.forks import new_lock
from jti_replay.conf.refusal import refuse_errors

from . import conf

if TYPE_CHECKING:
    from .backends.base import BaseReplayCache

    _Handler: TypeAlias = BaseConnectionHandler[BaseReplayCache]
else:
    _Handler = BaseConnectionHandler


class ReplayCacheHandler(_Handler):
    """
    Gives the replay cache of an alias: ``replay_caches["default"]``.

    Unlike Django's own handlers it gives every thread and event loop the same object. So
    what a cache remembers in memory is remembered for the whole process, and no lookup
    waits for a lock that a fork might find held.

    Raises :exc:`~django.core.exceptions.ImproperlyConfigured` for an alias that is not
    configured, or not rightly.
    """

    settings_name = conf.SETTING
    exception_class = ImproperlyConfigured

    def __init__(self) -> None:
        super().__init__()
        self._lock = new_lock()  # A cache may be made of other caches.
        self._connections = SimpleNamespace()  # Django's is another one in each thread.

    def configure_settings(self, settings: dict[str, Any] | None) -> dict[str, Any]:
        """Read the settings that Django's handler would look for at the top level."""
        caches = conf.caches()
        # Without a default, the others still work.
        refuse_errors(error for error in check_section(caches) if error.id != NO_DEFAULT)
        return cast("dict[str, Any]", caches)

    def create_connection(self, alias: str) -> BaseReplayCache:
        """Make the cache, unless another thread has made it."""
        with self._lock:
            made = vars(self._connections)
            if alias not in made:
                params = self.settings[alias]
                # A client that cannot be made is a failing store: that runs code and reads
                # files of others, which may work again.
                refuse_errors(
                    error for error in check_cache(alias, params) if error.id != NO_CLIENT
                )
                made[alias] = import_string(params["BACKEND"])(alias, params)
            return cast("BaseReplayCache", made[alias])

    def close_all(self) -> None:
        """Let the connections of all caches go, in every thread."""
        with self._lock:
            for backend in vars(self._connections).values():
                backend.close()

    def reset(self) -> None:
        """Forget all caches, and what they remember in memory. The next use makes new ones."""
        self.close_all()
        with self._lock:
            self.__dict__.pop("settings", None)
            self._connections = SimpleNamespace()


replay_caches = ReplayCacheHandler()

replay_cache = cast("BaseReplayCache", ConnectionProxy(replay_caches, conf.DEFAULT_ALIAS))
