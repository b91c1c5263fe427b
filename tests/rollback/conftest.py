from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import path

from tests.rollback.attempts import BY_HAND, WAYS, Attempt, Guard, Ticket, by_decorator
from tests.rollback.tokens import PROFILE
from tests.servers import missing
from tests.servers.postgresql import MISSING

Serve = Callable[..., Client]


@pytest.fixture(autouse=True)
def _profile(settings: Any) -> None:
    settings.JTI_REPLAY = {"PROFILES": {"default": PROFILE}}


@pytest.fixture
def redis_cache(redis_cache_settings: None, settings: Any) -> None:
    """Let the default replay cache be a real Redis, which outlives the process."""
    settings.JTI_REPLAY = {
        "CACHES": {"default": {"BACKEND": "jti_replay.backends.redis.RedisCache"}},
        "PROFILES": {"default": PROFILE},
    }


@pytest.fixture(params=["default", "memory", "postgres"])
def using(request: pytest.FixtureRequest, transactional_db: None) -> str:
    """The alias of each database in turn: SQLite in a file and in memory, PostgreSQL."""
    if request.param not in connections.databases:
        missing(MISSING)
    return str(request.param)


@pytest.fixture
def serve(settings: Any) -> Callable[[Any], Client]:
    """Give a function that serves a view at /, and returns a client of that site."""

    def serve(view: Any) -> Client:
        settings.ROOT_URLCONF = (path("", view),)
        return Client(raise_request_exception=False)

    return serve


@pytest.fixture
def make_attempt(
    serve: Callable[[Any], Client], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Attempt]:
    """Give a function that makes an attempt to use a token, in one of the ways."""

    def make(
        using: str,
        way: str = BY_HAND,
        guard: Guard = by_decorator,
        ticket: Ticket | None = None,
    ) -> Attempt:
        atomic_requests = "ATOMIC_REQUESTS" in way
        settings_dict = connections[using].settings_dict
        monkeypatch.setitem(settings_dict, "ATOMIC_REQUESTS", atomic_requests)
        return Attempt(way, using, serve, guard, ticket)

    return make


@pytest.fixture(params=WAYS)
def attempt(
    request: pytest.FixtureRequest, using: str, make_attempt: Callable[..., Attempt]
) -> Attempt:
    """An attempt in each way on each database."""
    return make_attempt(using, request.param)


@pytest.fixture(params=WAYS)
def postgres_attempt(
    request: pytest.FixtureRequest, postgres: str, make_attempt: Callable[..., Attempt]
) -> Attempt:
    """An attempt in each way on PostgreSQL."""
    return make_attempt(postgres, request.param)


@pytest.fixture
def other_session(postgres: str) -> Iterator[Any]:
    """A second connection to PostgreSQL, of somebody else."""
    other = connections[postgres].copy()
    yield other
    other.close()


@pytest.fixture
def fresh_connection(transactional_db: None) -> Iterator[Any]:
    """A connection to the default database that has never held a reservation."""
    former = connections["default"]
    fresh = former.copy()
    connections["default"] = fresh
    yield fresh
    fresh.close()
    connections["default"] = former
