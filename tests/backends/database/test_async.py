"""Under an event loop the cache uses Django's connections as Django's ORM does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from django.db import connections
from django.http import HttpResponse
from django.urls import path

from jti_replay.decorators import reserve_jti
from tests.backends.database.conftest import UseCache
from tests.rollback.tokens import new_token

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

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
