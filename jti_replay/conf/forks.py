"""Locks that a forked child finds free, whatever its parent was doing."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _thread import RLock

_locks: weakref.WeakSet[RLock] = weakref.WeakSet()

_forked_at = float("-inf")


def new_lock() -> RLock:
    """
    Return a lock for an object that threads share.

    A thread that a signal handler, a finalizer or a weakref callback interrupts may take it
    again. In a forked child it is free, unless the thread that forked holds it: the others
    are not there to release it. So what it guards must be sound wherever a thread can be
    interrupted.
    """
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def forked_at() -> float:
    """
    Return the moment at which this process was forked, in seconds since 1970. Minus infinity
    if it was not.
    """
    return _forked_at


def _begin_in_child() -> None:
    global _forked_at
    _forked_at = time.time()
    for lock in list(_locks):
        if not lock._is_owned():  # type: ignore[attr-defined]
            lock._at_fork_reinit()  # type: ignore[attr-defined]


os.register_at_fork(after_in_child=_begin_in_child)
