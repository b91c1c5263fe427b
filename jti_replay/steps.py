"""
Logic that is written once, and runs in sync code as well as on an event loop.

The logic is a generator. Where it has to wait, it yields a step: a function, its async
version, and their arguments. It is sent the result, or the exception is raised at the yield.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from inspect import GEN_CLOSED, getgeneratorstate
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Step: TypeAlias = tuple[Callable[..., Any], Callable[..., Awaitable[Any]], tuple[Any, ...]]
Steps: TypeAlias = Generator[Step, Any, T]


class _Stopped(Exception):
    """Holds a :exc:`StopIteration` of a step, which Python lets out of no generator."""


def run(steps: Steps[T], error: BaseException | None = None) -> T:
    """
    Run the steps one after the other, and return what the generator returns.

    ``error`` is raised first where a generator waits that has been begun already.
    """
    while True:
        try:
            return _run(steps, error)
        except _Stopped as stopped:
            raise stopped.args[0] from None
        except BaseException as raised:
            if getgeneratorstate(steps) == GEN_CLOSED:
                raise
            error = raised  # That of a signal handler, between two steps.


async def arun(steps: Steps[T]) -> T:
    """Async version of :func:`run`: awaits the async version of each step."""
    error: BaseException | None = None
    while True:
        try:
            return await _arun(steps, error)
        except BaseException as raised:
            if getgeneratorstate(steps) == GEN_CLOSED:
                raise
            error = raised


def _run(steps: Steps[T], error: BaseException | None) -> T:
    try:
        function, _, arguments = next(steps) if error is None else steps.throw(error)
        while True:
            try:
                result = function(*arguments)
            except StopIteration as raised:
                function, _, arguments = steps.throw(_Stopped(raised))
            except BaseException as raised:
                function, _, arguments = steps.throw(raised)
            else:
                function, _, arguments = steps.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def _arun(steps: Steps[T], error: BaseException | None) -> T:
    try:
        _, function, arguments = next(steps) if error is None else steps.throw(error)
        while True:
            try:
                result = await function(*arguments)
            except GeneratorExit as gone:
                # The event loop is gone: nothing can be awaited any more.
                return run(steps, gone)
            except BaseException as raised:
                _, function, arguments = steps.throw(raised)
            else:
                _, function, arguments = steps.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
