from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connections

from tests.backends.database.conftest import UseCache
from tests.rollback.attempts import BY_HAND, WAYS, Attempt
from tests.servers import missing
from tests.servers.postgresql import MISSING

DATABASES = {"sqlite": "default", "postgresql": "postgres", "mariadb": "mariadb"}


@pytest.fixture(params=DATABASES.values(), ids=DATABASES)
def using(request: pytest.FixtureRequest, use_cache: UseCache) -> str:
    """The alias of each database in turn, which also keeps the jtis."""
    request.getfixturevalue("transactional_db")
    if request.param not in connections.databases:
        missing(MISSING)
    use_cache(request.param)
    return str(request.param)


@pytest.fixture(params=WAYS)
def attempt(
    request: pytest.FixtureRequest, using: str, make_attempt: Callable[..., Attempt]
) -> Attempt:
    """An attempt in each way on each database."""
    return make_attempt(using, request.param)


@pytest.fixture(params=[(True, WAYS[0]), (True, WAYS[1]), (True, BY_HAND), (False, WAYS[0])])
def postgres_attempt(
    request: pytest.FixtureRequest,
    postgres: str,
    use_cache: UseCache,
    make_attempt: Callable[..., Attempt],
) -> Attempt:
    """An attempt on PostgreSQL in each way, and with a cache that does not join."""
    join, way = request.param
    use_cache(postgres, join=join)
    return make_attempt(postgres, way)
