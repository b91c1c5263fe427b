"""Receivers that are connected for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import iscoroutinefunction
from typing import Any


@contextmanager
def connected(signal: Any, receiver: Callable[..., None]) -> Iterator[None]:
    """Connect a receiver for a while."""
    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


@contextmanager
def receiving(signal: Any, *functions: Callable[[], Any]) -> Iterator[None]:
    """Connect receivers that call functions."""
    with ExitStack() as stack:
        for function in functions:
            stack.enter_context(connected(signal, _to_receiver(function)))
        yield


def _to_receiver(function: Callable[[], Any]) -> Callable[..., Any]:
    async def areceiver(**kwargs: Any) -> None:
        await function()

    def receiver(**kwargs: Any) -> None:
        function()

    return areceiver if iscoroutinefunction(function) else receiver
