"""The in-memory designs that are compared. Each has one method, :meth:`Design.reserve`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Protocol

from django.core.cache.backends.locmem import LocMemCache

from jti_replay.backends.memory import InMemoryCache

LIFETIME = 300
"""Seconds for which those remember a jti that have one lifetime for all."""


class Design(Protocol):
    """Something that remembers jtis."""

    def reserve(self, jti: str, expires_at: float, *, namespace: str) -> Any:
        """Remember a jti of an issuer."""


class Floor:
    """A dict under a lock, which never forgets anything: the least that there is to do."""

    def __init__(self, capacity: int, lifetime: int = LIFETIME) -> None:
        self._entries: dict[str, float] = {}
        self._lock = threading.Lock()

    def reserve(self, jti: str, expires_at: float, *, namespace: str) -> Any:
        with self._lock:
            return self._entries.setdefault(jti, expires_at)


class Ours:
    """InMemoryCache.reserve() itself, with the TTL that is the default."""

    def __init__(self, capacity: int, lifetime: int = LIFETIME) -> None:
        cache = InMemoryCache("default", {"OPTIONS": {"max_entries": capacity}})
        self.reserve: Callable[..., Any] = cache.reserve


class LocMem:
    """Django's LocMemCache.add()."""

    def __init__(self, capacity: int, lifetime: int = LIFETIME) -> None:
        self._cache = LocMemCache(
            f"benchmark-{id(self)}", {"OPTIONS": {"MAX_ENTRIES": 2 * capacity}}
        )
        self._lifetime = lifetime

    def reserve(self, jti: str, expires_at: float, *, namespace: str) -> Any:
        return self._cache.add(jti, 1, timeout=self._lifetime)


class CacheTools:
    """cachetools.TTLCache under a lock."""

    def __init__(self, capacity: int, lifetime: int = LIFETIME) -> None:
        from cachetools import TTLCache

        self._cache: Any = TTLCache(2 * capacity, lifetime, timer=_now)
        self._lock = threading.Lock()

    def reserve(self, jti: str, expires_at: float, *, namespace: str) -> Any:
        with self._lock:
            return self._cache.setdefault(jti, expires_at)


class CacheBox:
    """cachebox.TTLCache, which is written in Rust, its lock too."""

    def __init__(self, capacity: int, lifetime: int = LIFETIME) -> None:
        import cachebox

        self._cache: Any = cachebox.TTLCache(2 * capacity, lifetime)

    def reserve(self, jti: str, expires_at: float, *, namespace: str) -> Any:
        return self._cache.setdefault(jti, expires_at)


class DictWithSweep:
    """The design of the Go package: a dict, and every 60 s a sweep under the lock."""

    def __init__(self, capacity: int, lifetime: int = LIFETIME) -> None:
        self._entries: dict[str, float] = {}
        self._lock = threading.Lock()
        self._sweep_at = time.time() + 60

    def reserve(self, jti: str, expires_at: float, *, namespace: str) -> Any:
        now = time.time()
        with self._lock:
            if now >= self._sweep_at:
                self._sweep_at = now + 60
                expired = [jti for jti, expiry in self._entries.items() if expiry <= now]
                for one in expired:
                    del self._entries[one]
            held = self._entries.get(jti)
            if held is not None and held > now:
                return None
            self._entries[jti] = expires_at
            return True


class NoOp:
    """
    A loop that does nothing, about as long as a reserve, to see what the machine itself does
    to a measurement.
    """

    def __init__(self, capacity: int, lifetime: int = LIFETIME) -> None:
        pass

    def reserve(self, jti: str, expires_at: float, *, namespace: str) -> Any:
        for _ in range(60):
            pass


def _now() -> float:
    return time.time()


FLOOR = "floor: Lock + dict.setdefault"
OURS = "InMemoryCache.reserve"
OURS_FLOATS = "InMemoryCache.reserve, exp with a fraction"
LOCMEM = "LocMemCache.add"

DESIGNS: dict[str, Callable[..., Design]] = {
    FLOOR: Floor,
    OURS: Ours,
    LOCMEM: LocMem,
    "dict with a sweep each 60 s": DictWithSweep,
    **({"cachetools.TTLCache + Lock": CacheTools} if find_spec("cachetools") else {}),
    **({"cachebox.TTLCache": CacheBox} if find_spec("cachebox") else {}),
}
