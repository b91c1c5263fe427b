from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contrib.rollback.guards import GUARDS
from tests.rollback.attempts import Attempt
from tests.rollback.conftest import make_attempt, other_session  # noqa: F401
from tests.rollback.tokens import PROFILE


@pytest.fixture
def table_settings(settings: Any) -> None:
    """Settings of a site whose tokens are those of the attempts."""
    settings.JTI_REPLAY = {"PROFILES": {"default": PROFILE}}
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}


@pytest.fixture(params=["default", "postgres"])
def attempted(request: pytest.FixtureRequest, transactional_db: None) -> str:
    """The alias of SQLite in a file, and of PostgreSQL."""
    if request.param == "postgres":
        request.getfixturevalue("postgres")
    return str(request.param)


@pytest.fixture(params=GUARDS)
def attempt(
    request: pytest.FixtureRequest,
    attempted: str,
    table_settings: None,
    make_attempt: Callable[..., Attempt],  # noqa: F811
) -> Attempt:
    """An attempt by each guard on both databases."""
    return make_attempt(attempted, request.param, GUARDS[request.param])


@pytest.fixture(params=GUARDS)
def postgres_attempt(
    request: pytest.FixtureRequest,
    postgres: str,
    table_settings: None,
    make_attempt: Callable[..., Attempt],  # noqa: F811
) -> Attempt:
    """An attempt by each guard on PostgreSQL."""
    return make_attempt(postgres, request.param, GUARDS[request.param])
