"""Receivers that are interrupted or cancelled leave the transaction as it was."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, connections, transaction

from jti_replay import release_on_rollback, replay_cache, signals
from jti_replay.reservation.shield import Shield
from tests.models import Work
from tests.rollback.signals import connected

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def interrupt(**kwargs: Any) -> NoReturn:
    raise KeyboardInterrupt


def receive(**kwargs: Any) -> None:
    """Do nothing."""


def test_an_interrupted_receiver_leaves_the_transaction(using: str) -> None:
    """The shield is lowered, and the jti is given back."""
    database = connections[using]
    with transaction.atomic(using):
        with connected(signals.jti_reserved, interrupt), pytest.raises(KeyboardInterrupt):
            replay_cache.reserve("a")
        assert not database.execute_wrappers
        assert replay_cache.reserve("a")


def test_an_interruption_after_the_receivers_leaves_the_transaction(using: str) -> None:
    """A signal handler that raises while the shield is lowered does not keep it up."""
    database = connections[using]
    commit = vars(database).get("commit")  # That of the ledger, after a test that needs it.

    class Interrupting(list[Any]):
        """The wrappers of a connection. One is taken away, and a signal comes."""

        def pop(self, *args: Any) -> NoReturn:
            database.execute_wrappers = self[:-1]
            raise KeyboardInterrupt

    def receiver(**kwargs: Any) -> None:
        database.execute_wrappers = Interrupting(database.execute_wrappers)

    with transaction.atomic(using):
        with connected(signals.jti_reserved, receiver), pytest.raises(KeyboardInterrupt):
            replay_cache.reserve("a")
        assert not database.execute_wrappers
        assert vars(database).get("commit") is commit
        assert replay_cache.reserve("a")


def test_what_is_left_of_a_shield_does_nothing(using: str) -> None:
    """A signal handler may keep it from being taken off a connection."""
    database: Any = connections[using]

    class Interrupting(list[Any]):
        """The wrappers of a connection. A signal comes before one is taken away."""

        def pop(self, *args: Any) -> NoReturn:
            raise KeyboardInterrupt

    def receiver(**kwargs: Any) -> None:
        database.execute_wrappers = Interrupting(database.execute_wrappers)

    with connected(signals.jti_reserved, receiver), transaction.atomic(using):
        with pytest.raises(KeyboardInterrupt):
            replay_cache.reserve("a")
        assert database.execute_wrappers
        assert database.cursor().execute("SELECT 1").fetchone() == (1,)
        database.cursor().execute("ROLLBACK")
        database.execute_wrappers = []
        transaction.set_rollback(True, using=using)


def test_an_interruption_before_the_shield_is_lowered_lets_the_block_end(using: str) -> None:
    """A signal handler that raises as the lowering begins does not keep the shield up."""
    tracing = sys.gettrace()

    def strike(frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code is Shield.lower.__code__:
            sys.settrace(tracing)
            raise KeyboardInterrupt

    with connected(signals.jti_reserved, receive), pytest.raises(KeyboardInterrupt):
        work_and_reserve(using, strike)
    sys.settrace(tracing)  # Python takes one off that raises.
    assert not connections[using].execute_wrappers
    assert not Work.objects.using(using).exists()
    assert replay_cache.reserve("a")


def work_and_reserve(using: str, trace: Callable[..., None]) -> None:
    """Reserve in an atomic() block, and let a function trace the calls meanwhile."""
    with transaction.atomic(using):
        Work.objects.using(using).create(name="work")
        sys.settrace(trace)
        replay_cache.reserve("a")


def test_an_interrupted_receiver_does_not_stop_the_release(using: str) -> None:
    """What was rolled back is released, though the receiver of the app does not run."""
    signal = signals.transaction_rolled_back

    def roll_back() -> None:
        with transaction.atomic(using):
            assert release_on_rollback(replay_cache.reserve("a"), using)
            transaction.set_rollback(True, using=using)

    with connected(signal, interrupt):
        signal.receivers.insert(0, signal.receivers.pop())
        signal.sender_receivers_cache.clear()
        with pytest.raises(KeyboardInterrupt):
            roll_back()
    assert connections[using].get_autocommit()
    assert not connections[using].execute_wrappers
    assert replay_cache.reserve("a")


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_cancelled_reserve_gives_the_jti_back(is_async: bool, transactional_db: None) -> None:
    """A task that is cancelled while receivers run leaves no entry and no shield."""
    waiting = asyncio.Event()

    async def wait(**kwargs: Any) -> None:
        waiting.set()
        await asyncio.sleep(60)

    async def cancel() -> None:
        loop = asyncio.get_running_loop()

        def tell(**kwargs: Any) -> None:
            loop.call_soon_threadsafe(waiting.set)

        with connected(signals.jti_reserved, wait if is_async else tell):
            task = asyncio.create_task(replay_cache.areserve("a"))
            await waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with transaction.atomic():
        async_to_sync(cancel)()
        assert not connection.execute_wrappers
    assert replay_cache.reserve("a")
