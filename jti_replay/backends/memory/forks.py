"""What becomes of the caches in memory when their process forks."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cache import InMemoryCache

# After a fork, the child goes on with a copy of the entries. No other thread may be changing
# them meanwhile, or hold a lock that nobody would release in the child.
caches: weakref.WeakSet[InMemoryCache] = weakref.WeakSet()
_held: list[threading.Lock] = []


def _hold_locks() -> None:
    for cache in list(caches):
        cache._lock.acquire()
        _held.append(cache._lock)


def _let_locks_go() -> None:
    while _held:
        _held.pop().release()


def _begin_anew() -> None:
    # A worker that is forked in place of a dead one knows nothing of what that one had seen.
    now = time.time()
    for cache in list(caches):
        cache._made_at = now
    _let_locks_go()


os.register_at_fork(
    before=_hold_locks, after_in_parent=_let_locks_go, after_in_child=_begin_anew
)
