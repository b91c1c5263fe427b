from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def connected(signal: Any, receiver: Callable[..., None]) -> Iterator[None]:
    """Connect a receiver for a while."""
    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)
