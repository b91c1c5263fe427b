"""Calls that the conformance test makes in both ways: sync and async, alone and in threads."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

from asgiref.sync import async_to_sync
from django.db import connections

from jti_replay.reservation import Reservation

T = TypeVar("T")

RACERS = 32
"""Threads, or tasks, that ask for a jti at the same moment."""


def new_jti() -> str:
    """Return a jti that no other run has."""
    return uuid4().hex


def now(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function, or an async one in an event loop of its own."""
    if inspect.iscoroutinefunction(function):
        return async_to_sync(function)(*args, **kwargs)
    return function(*args, **kwargs)


def released(reservation: Reservation, *, aio: bool) -> bool:
    """Release a reservation in one of two ways."""
    answer: bool = now(reservation.arelease if aio else reservation.release)
    return answer


def in_threads(work: Callable[[int], T]) -> list[T]:
    """Run so many threads at once, and return what each of them returned."""

    def run(number: int) -> T:
        try:
            return work(number)
        finally:
            connections.close_all()  # Those that this thread has opened.

    with ThreadPoolExecutor(RACERS) as executor:
        return list(executor.map(run, range(RACERS)))
