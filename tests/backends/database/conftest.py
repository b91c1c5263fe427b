from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pymysql
import pytest
from django.core.management import call_command
from django.db import connections

from jti_replay import replay_cache
from jti_replay.backends.database import DatabaseCache, purging
from tests.rollback.conftest import make_attempt, other_session, serve  # noqa: F401
from tests.rollback.tokens import PROFILE
from tests.servers import missing, postgresql
from tests.servers.mariadb import MISSING, mariadb_server

BACKEND = "jti_replay.backends.database.DatabaseCache"

UseCache = Callable[..., DatabaseCache]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Start MariaDB before a test whose parameter names it.

    pytest-django asks first of all which databases there are that it has to empty afterwards.
    """
    for item in items:
        params = getattr(item, "callspec", None)
        if (
            isinstance(item, pytest.Function)
            and item.path.is_relative_to(Path(__file__).parent)
            and params is not None
            and any(str(value).startswith("mariadb") for value in params.params.values())
        ):
            item.fixturenames.insert(0, "mariadb_database")


@pytest.fixture(scope="package")
def mariadb_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database of the alias "mariadb", in a real MariaDB. Skip without one."""
    with mariadb_server() as reached, django_db_blocker.unblock():
        if reached is None:
            missing(MISSING)
        pymysql.install_as_MySQLdb()  # In place of mysqlclient, which needs a compiler.
        engine = {"ENGINE": "django.db.backends.mysql", "NAME": "jti_replay"}
        connections.databases["mariadb"] = engine | reached
        connections.configure_settings(connections.databases)
        with connections["mariadb"]._nodb_cursor() as cursor:
            cursor.execute("CREATE DATABASE jti_replay CHARACTER SET utf8mb4")
        call_command("migrate", database="mariadb", run_syncdb=True, verbosity=0)
        yield
        connections["mariadb"].close()
        del connections["mariadb"]
        del connections.databases["mariadb"]


@pytest.fixture
def use_cache(settings: Any) -> UseCache:
    """Give a function that lets the default cache be in a database."""

    def use(location: str, **options: Any) -> DatabaseCache:
        params = {"BACKEND": BACKEND, "LOCATION": location, "OPTIONS": options}
        settings.JTI_REPLAY = {
            "CACHES": {"default": params},
            "PROFILES": {"default": PROFILE},
        }
        cache: Any = replay_cache
        return cache

    return use


@pytest.fixture(name="purging")
def purging_cache(monkeypatch: pytest.MonkeyPatch) -> UseCache:
    """Give a function that lets a cache purge, as it does outside of test runs, every 128."""
    monkeypatch.setattr(purging, "is_test_run", lambda: False)

    def use(cache: Any) -> DatabaseCache:
        cache._purges._reserves = 0
        return cast("DatabaseCache", cache)

    return use


EACH = pytest.mark.parametrize("server", ["default", "postgres", "mariadb"], indirect=True)
"""Each database, as Django uses it by default."""

SNAPSHOTS: dict[str, dict[str, Any]] = {
    "postgres with snapshots": {
        "options": r"-c default_transaction_isolation=repeatable\ read",
    },
    "mariadb with snapshots": {
        "isolation_level": "repeatable read",
        "init_command": "SET SESSION innodb_snapshot_isolation = ON",
    },
}
"""Databases whose transactions do not see what others commit, and the OPTIONS for that."""

EACH_LEVEL = pytest.mark.parametrize(
    "server", ["default", "postgres", "mariadb", *SNAPSHOTS], indirect=True
)


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The alias of a database, which the test names by parametrising this indirectly."""
    alias = str(request.param).split()[0]
    request.getfixturevalue("transactional_db")
    if alias not in connections.databases:
        missing(postgresql.MISSING)
    if request.param not in SNAPSHOTS:
        yield alias
        return
    if alias == "mariadb" and not knows_snapshot_isolation(alias):
        pytest.skip("this MariaDB has no innodb_snapshot_isolation")
    connections[alias].close()
    settings = connections[alias].settings_dict
    monkeypatch.setitem(settings, "OPTIONS", settings["OPTIONS"] | SNAPSHOTS[request.param])
    yield alias
    connections[alias].close()


def knows_snapshot_isolation(alias: str) -> bool:
    with connections[alias].cursor() as cursor:
        cursor.execute("SHOW VARIABLES LIKE 'innodb_snapshot_isolation'")
        return cursor.fetchone() is not None
