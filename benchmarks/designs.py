"""The in-memory designs that are compared. Each has one method, reserve(jti, expires_at)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import cachebox
from cachetools import TTLCache
from django.core.cache.backends.locmem import LocMemCache

from jti_replay.backends.memory import InMemoryCache

LIFETIME = 300


class Design(Protocol):
    """Something that remembers jtis."""

    def reserve(self, jti: str, expires_at: int) -> Any:
        """Remember a jti."""


class Floor:
    """A dict under a lock, which never forgets anything: the least that there is to do."""

    def __init__(self, capacity: int) -> None:
        self._entries: dict[str, int] = {}
        self._lock = threading.Lock()

    def reserve(self, jti: str, expires_at: int) -> Any:
        with self._lock:
            return self._entries.setdefault(jti, expires_at)


class Ours:
    """InMemoryCache.reserve(), as projects call it."""

    def __init__(self, capacity: int) -> None:
        cache = InMemoryCache("default", {"OPTIONS": {"max_entries": capacity}})
        self.reserve: Callable[[str, int], Any] = cache.reserve


class OurStore:
    """The store of InMemoryCache alone: no checks of arguments, no Reservation."""

    def __init__(self, capacity: int) -> None:
        self._cache = InMemoryCache("default", {"OPTIONS": {"max_entries": capacity}})

    def reserve(self, jti: str, expires_at: int) -> Any:
        return self._cache.add(self._cache.digest("", jti), expires_at + 1.0)


class LocMem:
    """Django's LocMemCache.add()."""

    def __init__(self, capacity: int) -> None:
        self._cache = LocMemCache(
            f"benchmark-{id(self)}", {"OPTIONS": {"MAX_ENTRIES": 2 * capacity}}
        )

    def reserve(self, jti: str, expires_at: int) -> Any:
        return self._cache.add(jti, 1, timeout=LIFETIME)


class CacheTools:
    """cachetools.TTLCache under a lock."""

    def __init__(self, capacity: int) -> None:
        self._cache: TTLCache[str, int] = TTLCache(2 * capacity, LIFETIME, timer=_now)
        self._lock = threading.Lock()

    def reserve(self, jti: str, expires_at: int) -> Any:
        with self._lock:
            return self._cache.setdefault(jti, expires_at)


class CacheBox:
    """cachebox.TTLCache, which is written in Rust."""

    def __init__(self, capacity: int) -> None:
        self._cache: Any = cachebox.TTLCache(2 * capacity, LIFETIME)

    def reserve(self, jti: str, expires_at: int) -> Any:
        return self._cache.setdefault(jti, expires_at)


class DictWithSweep:
    """The design of the Go package: a dict, and every 60 s a sweep under the lock."""

    def __init__(self, capacity: int) -> None:
        self._entries: dict[str, int] = {}
        self._lock = threading.Lock()
        self._sweep_at = time.time() + 60

    def reserve(self, jti: str, expires_at: int) -> Any:
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


class Nothing:
    """A call that does nothing, to see what the machine itself does to a measurement."""

    def __init__(self, capacity: int) -> None:
        pass

    def reserve(self, jti: str, expires_at: int) -> Any:
        return None


def _now() -> float:
    return time.time()


FLOOR = "floor (Lock + dict)"
OURS = "InMemoryCache.reserve"
OUR_STORE = "InMemoryCache, store alone"
LOCMEM = "LocMemCache.add"

DESIGNS: dict[str, Callable[[int], Design]] = {
    FLOOR: Floor,
    OURS: Ours,
    OUR_STORE: OurStore,
    LOCMEM: LocMem,
    "cachetools TTLCache + Lock": CacheTools,
    "cachebox TTLCache": CacheBox,
    "dict with a sweep (Go)": DictWithSweep,
}
