"""The drivers of steps, in sync code and on an event loop."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from jti_replay.steps import Steps, arun, run


def number() -> int:
    return 1


async def anumber() -> int:
    return 1


def counting() -> Steps[int]:
    first = yield number, anumber, ()
    second = yield number, anumber, ()
    return int(first + second)


def test_both_return_what_the_generator_returns() -> None:
    """The logic is written once."""
    assert run(counting()) == 2
    assert asyncio.run(arun(counting())) == 2


def raising(error: BaseException) -> Any:
    def fail() -> None:
        raise error

    async def afail() -> None:
        raise error

    def steps() -> Steps[str]:
        try:
            yield fail, afail, ()
        except LookupError:
            return "caught"
        return "not raised"

    return steps()


def test_an_error_of_a_step_is_raised_at_its_yield() -> None:
    """The generator may catch it."""
    assert run(raising(KeyError())) == "caught"
    assert asyncio.run(arun(raising(KeyError()))) == "caught"
    for error in (ValueError(), SystemExit()):
        with pytest.raises(type(error)):
            run(raising(error))
        with pytest.raises(type(error)):
            asyncio.run(arun(raising(error)))


def test_a_stop_iteration_of_a_step_comes_out_as_it_is() -> None:
    """A view may raise it."""
    with pytest.raises(StopIteration):
        run(raising(StopIteration()))


class Interrupted:
    """A step between whose parts a signal handler raises: no generator sees it by itself."""

    def __iter__(self) -> Any:
        raise KeyboardInterrupt


def test_an_error_between_two_steps_is_raised_at_the_yield() -> None:
    """The generator cleans up, though it was not running when a signal handler raised."""
    done: list[str] = []

    def steps() -> Any:
        try:
            yield Interrupted()
        finally:
            yield partial(done.append, "sync"), aclean, ()

    async def aclean() -> None:
        done.append("async")

    with pytest.raises(KeyboardInterrupt):
        run(steps())
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(arun(steps()))
    assert done == ["sync", "async"]


def test_without_an_event_loop_the_rest_is_done_in_sync_code() -> None:
    """A coroutine that is closed cannot wait for anything."""
    done: list[str] = []

    async def asleep() -> None:
        await asyncio.get_running_loop().create_future()

    def steps() -> Any:
        try:
            yield number, asleep, ()
        finally:
            yield partial(done.append, "sync"), asleep, ()

    async def lose() -> None:
        coroutine = arun(steps())
        coroutine.send(None)
        coroutine.close()

    asyncio.run(lose())
    assert done == ["sync"]
