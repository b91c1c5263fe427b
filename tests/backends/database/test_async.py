"""Under an event loop the cache uses Django's connections as Django's ORM does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.asgi import get_asgi_application
from django.db import connections, transaction
from django.http import HttpResponse
from django.urls import path

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from jti_replay.signals import jti_released, jti_reserved
from tests.backends.database.conftest import UseCache
from tests.backends.database.rival import LIMIT
from tests.rollback.signals import connected
from tests.rollback.tokens import new_token

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

PATIENCE = 0.3
"""Seconds after which a client goes away."""

JOINS = pytest.mark.parametrize("join", [True, False], ids=["join", "alone"])


@pytest.fixture
def assert_no_session(postgres: str, other_session: Any) -> Callable[[], None]:
    """Give a function that asserts that nobody but itself has a session of the database."""

    def assert_none() -> None:
        with other_session.cursor() as cursor:
            for _ in range(200):  # The server may take a moment to notice.
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                if cursor.fetchone() == (0,):
                    return
                time.sleep(0.01)
        raise AssertionError("a session was left open")

    return assert_none


async def request(application: Any, token: str) -> int:
    """Send a request as an ASGI server does, and return the status."""
    sent: list[dict[str, Any]] = []
    over = asyncio.Event()
    body = [{"type": "http.request"}]

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {token}".encode())],
    }
    await application(scope, receive, send)
    return int(sent[0]["status"])


@JOINS
@pytest.mark.parametrize("is_async", [True, False], ids=["async view", "sync view"])
def test_a_request_leaves_no_connection_behind(
    postgres: str,
    use_cache: UseCache,
    assert_no_session: Any,
    settings: Any,
    join: bool,
    is_async: bool,
) -> None:
    use_cache(postgres, join=join)

    async def async_view(request: Any) -> HttpResponse:
        return HttpResponse()

    def view(request: Any) -> HttpResponse:
        return HttpResponse()

    guarded = reserve_jti(using=postgres)(async_view if is_async else view)
    settings.ROOT_URLCONF = (path("", guarded),)
    tokens = [new_token() for _ in range(10)]

    async def serve() -> list[int]:
        application = get_asgi_application()
        statuses = [await request(application, token) for token in tokens]
        return statuses + list(
            await asyncio.gather(*(request(application, token) for token in tokens))
        )

    connections[postgres].close()
    assert_no_session()
    assert asyncio.run(serve()) == [200] * 10 + [401] * 10
    assert_no_session()


@pytest.fixture
def lock_for_a_while(postgres: str, other_session: Any) -> Iterator[Callable[[], None]]:
    """Give a function that locks the table of the cache, for longer than a client waits."""
    timers: list[threading.Timer] = []

    def lock() -> None:
        other_session.set_autocommit(False)
        other_session.cursor().execute("LOCK TABLE jti_replay_reservedjti")
        timers.append(threading.Timer(2 * PATIENCE, other_session.connection.rollback))
        timers[-1].start()

    yield lock
    for timer in timers:
        timer.join()
    asyncio.run(sync_to_async(connections.close_all)())  # In the thread that has reserved.


async def give_up(awaitable: Coroutine[Any, Any, Any]) -> None:
    """Wait for a short time, as a client does that goes away."""
    task = asyncio.create_task(awaitable)
    await asyncio.sleep(PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@JOINS
def test_a_client_that_goes_away_can_try_again(
    postgres: str, use_cache: UseCache, lock_for_a_while: Callable[[], None], join: bool
) -> None:
    """The thread goes on after a cancellation, and takes back the row that it inserts."""
    use_cache(postgres, join=join, timeout=20)
    told: list[str] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs["digest"])

    async def request() -> None:
        await give_up(replay_cache.areserve("a"))
        await sync_to_async(int)()  # When the thread is done with what it did.

    lock_for_a_while()
    with connected(jti_reserved, receiver):
        asyncio.run(request())
    assert told == []
    assert replay_cache.reserve("a")


def test_so_can_one_whose_jti_is_part_of_a_transaction(
    postgres: str, use_cache: UseCache, lock_for_a_while: Callable[[], None]
) -> None:
    """In the thread of an open transaction, the row is taken back within it."""
    use_cache(postgres, timeout=20)
    lock_for_a_while()
    with transaction.atomic(postgres):
        async_to_sync(give_up)(replay_cache.areserve("a"))
        assert replay_cache.reserve("a")
    assert replay_cache.reserve("a") is None


@JOINS
def test_a_release_whose_caller_goes_away_is_done(
    postgres: str, use_cache: UseCache, lock_for_a_while: Callable[[], None], join: bool
) -> None:
    """A cancelled arelease() waits for the database on its own, and tells of its end."""
    use_cache(postgres, join=join, timeout=20)
    reservation = replay_cache.reserve("a")
    assert reservation
    released = threading.Event()

    def receiver(**kwargs: Any) -> None:
        released.set()

    async def request() -> None:
        await give_up(reservation.arelease())
        assert await asyncio.to_thread(released.wait, LIMIT)

    lock_for_a_while()
    with connected(jti_released, receiver):
        asyncio.run(request())
    assert replay_cache.reserve("a")
