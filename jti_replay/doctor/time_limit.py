"""Calls that end in time, whatever they wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from django.db import connections

T = TypeVar("T")

LIMIT = 10.0
"""Seconds after which a store is given up."""


def within(limit: float, calls: Mapping[str, Callable[[], T]]) -> dict[str, T | Exception]:
    """
    Run all calls at once, and return what each of them returned or raised, by its name. One
    that has not ended within so many seconds gives a :exc:`TimeoutError`.

    A store has time limits of its own, but for a database they may be hours. Its thread is
    left to itself then, and does not keep the process from ending.
    """
    outcomes: dict[str, T | Exception] = {}

    def run(name: str, call: Callable[[], T]) -> None:
        try:
            outcomes[name] = call()
        except Exception as error:
            outcomes[name] = error
        finally:
            connections.close_all()  # Those of this thread.

    threads = {
        name: threading.Thread(target=run, args=(name, call), daemon=True)
        for name, call in calls.items()
    }
    give_up = time.monotonic() + limit
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(max(0.0, give_up - time.monotonic()))
    return {
        name: outcomes.get(name, TimeoutError(f"no answer within {limit:g} seconds"))
        for name in calls
    }
