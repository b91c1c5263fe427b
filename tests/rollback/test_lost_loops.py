"""Event loops in which receivers cannot run, or not to their end."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, NoReturn

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, transaction

from jti_replay import release_on_rollback, replay_cache, signals
from jti_replay.reservation import dispatch
from tests.rollback.blocks import failing_block
from tests.rollback.signals import connected, receiving

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_receivers_that_cannot_run_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A second event loop in Django's thread cannot use that thread, which is no error."""

    def run_nested() -> None:
        asyncio.run(dispatch.asend(signals.jti_reserved, sender=None))

    called: list[bool] = []
    with receiving(signals.jti_reserved, partial(called.append, True)):
        asyncio.run(sync_to_async(run_nested)())
    assert not called
    assert "did not reach all of its receivers" in caplog.text


async def test_receivers_that_cannot_run_do_not_stop_a_release(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Sync code on an event loop cannot run async receivers, and Django raises."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

    async def receiver(**kwargs: Any) -> NoReturn:
        raise AssertionError("not reached")

    with connected(signals.transaction_rolled_back, receiver), failing_block("default"):
        assert release_on_rollback(replay_cache.reserve("a"))
    connections["default"].close()  # It is one of this task.
    assert "did not reach all of its receivers" in caplog.text
    assert replay_cache.reserve("a")


def test_a_lost_event_loop_leaves_no_shield_and_no_jti(transactional_db: None) -> None:
    """A coroutine that is closed while receivers run cannot wait for anything."""
    started = asyncio.Event()
    database = connections["default"]

    async def wait(**kwargs: Any) -> None:
        started.set()
        await asyncio.sleep(60)

    async def lose() -> None:
        sending = replay_cache.areserve("a")
        await asyncio.wait([sending.send(None)])  # For the shield.
        sending.send(None)
        await started.wait()
        assert database.execute_wrappers
        sending.close()

    with connected(signals.jti_reserved, wait), transaction.atomic():
        async_to_sync(lose)()
        assert not database.execute_wrappers
    assert replay_cache.reserve("a")
