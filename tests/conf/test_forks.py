"""Locks after a fork: a child finds each of the package's locks free."""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jti_replay import replay_caches
from jti_replay.backends.lost_replies import LostReplies
from jti_replay.conf import forks
from jti_replay.conf.forks import new_lock
from jti_replay.profiles import get_profile
from jti_replay.tokens.discovery import DiscoveredKeys
from jti_replay.tokens.jwks_options import JwksOptions

LOCKS = (type(threading.Lock()), type(threading.RLock()))

EXPECTED = {
    "jti_replay.backends.lost_replies.LostReplies._lock",
    "jti_replay.backends.memory.table.Table.lock",
    "jti_replay.backends.redis.transport.clients.RedisClients._lock",
    "jti_replay.caches.ReplayCacheHandler._lock",
    "jti_replay.tokens.discovery.DiscoveredKeys._lock",
    "jti_replay.tokens.jwks.RemoteKeys._lock",
}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


@pytest.fixture
def everything(settings: Any) -> list[Any]:
    """One of each thing that has a lock."""
    backends = "jti_replay.backends"
    issuer = {"ISSUER": "https://issuer.example", "AUDIENCE": "a", "ALGORITHMS": ["RS256"]}
    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1"}
    }
    settings.JTI_REPLAY = {
        "CACHES": {
            "default": {"BACKEND": f"{backends}.memory.InMemoryCache"},
            "redis": {"BACKEND": f"{backends}.redis.RedisCache", "LOCATION": "default"},
        },
        "PROFILES": {
            "url": issuer | {"JWKS_URL": "https://issuer.example/jwks"},
        },
    }
    held = [replay_caches[alias] for alias in ("default", "redis")]
    discovered = DiscoveredKeys(JwksOptions())
    return [*held, get_profile("url"), discovered, LostReplies(lambda batch: None)]


def locks() -> Iterator[tuple[str, Any]]:
    """Yield the locks of the package's modules, classes and objects, with their names."""
    for name, module in list(sys.modules.items()):
        if name.startswith("jti_replay"):
            yield from owned(name, vars(module))
    for thing in gc.get_objects():
        kind = thing if issubclass(type(thing), type) else type(thing)
        if str(kind.__module__).startswith("jti_replay"):
            name = f"{kind.__module__}.{kind.__qualname__}"
            try:
                attributes = vars(thing)
            except TypeError:
                slots = [
                    slot for base in kind.__mro__ for slot in vars(base).get("__slots__", ())
                ]
                attributes = {slot: getattr(thing, slot, None) for slot in slots}
            yield from owned(name, attributes)


def owned(name: str, attributes: Any) -> Iterator[tuple[str, Any]]:
    for attribute, value in list(attributes.items()):
        if type(value) in LOCKS:
            yield f"{name}.{attribute}", value


def in_child(work: Callable[[], bool]) -> bool:
    """Return what a forked child answers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


def test_each_lock_of_the_package_is_free_in_a_child(everything: list[Any]) -> None:
    """Another thread of the parent holds all of them at the moment of the fork."""
    found = dict(locks())
    assert set(found) >= EXPECTED
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        for lock in found.values():
            assert lock.acquire(timeout=10)
        taken.set()
        done.wait()
        for lock in found.values():
            lock.release()

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(20)
    try:
        assert in_child(lambda: all(lock.acquire(timeout=1) for _, lock in locks()))
        assert not any(lock.acquire(blocking=False) for lock in found.values())
    finally:
        done.set()
        thread.join()


def test_a_child_still_has_what_its_own_thread_holds() -> None:
    """A signal handler may fork while its thread is in a block that the child then leaves."""
    lock = new_lock()
    with lock:
        assert in_child(lambda: lock.release() is None and lock.acquire(timeout=1))
        assert not in_child(lambda: lock.release() or lock.release() or True)


def test_a_lock_that_another_thread_holds_is_made_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a child does, once more where its coverage is seen."""
    monkeypatch.setattr(forks, "_locks", weakref.WeakSet())
    monkeypatch.setattr(forks, "_forked_at", forks.forked_at())
    of_other, own = new_lock(), new_lock()
    thread = threading.Thread(target=of_other.acquire)
    thread.start()
    thread.join()
    own.acquire()
    assert not of_other.acquire(blocking=False)
    forks._begin_in_child()
    assert of_other.acquire(blocking=False)
    own.release()
    with pytest.raises(RuntimeError):
        own.release()
