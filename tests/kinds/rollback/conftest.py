from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connections

from tests.kinds.each_kind import Kind, configure_kind, kind  # noqa: F401
from tests.rollback.attempts import DECORATOR_WAYS, Attempt
from tests.rollback.conftest import make_attempt, other_session, serve  # noqa: F401
from tests.servers import missing
from tests.servers.postgresql import MISSING


@pytest.fixture(params=["default", "postgres"], ids=["sqlite", "postgresql"])
def using(request: pytest.FixtureRequest, transactional_db: None) -> str:
    """The alias of each database in turn: SQLite and PostgreSQL."""
    if request.param not in connections.databases:
        missing(MISSING)
    return str(request.param)


@pytest.fixture
def attempt_with(
    kind: Kind,  # noqa: F811
    make_attempt: Callable[..., Attempt],  # noqa: F811
) -> Callable[..., Attempt]:
    """Give a function that makes an attempt to use a token of each kind in turn."""

    def attempt_with(using: str, way: str = "decorator") -> Attempt:
        return make_attempt(using, way, ticket=kind.ticket())

    return attempt_with


@pytest.fixture(
    params=[*(("default", way) for way in DECORATOR_WAYS), ("postgres", "decorator")],
    ids="-".join,
)
def attempt(
    request: pytest.FixtureRequest,
    transactional_db: None,
    attempt_with: Callable[..., Attempt],
) -> Attempt:
    """An attempt with each kind of token, in each way of the decorator, on each database."""
    using, way = request.param
    if using not in connections.databases:
        missing(MISSING)
    return attempt_with(using, way)


@pytest.fixture
def postgres_attempt(postgres: str, attempt_with: Callable[..., Attempt]) -> Attempt:
    """An attempt with each kind of token on PostgreSQL."""
    return attempt_with(postgres)
