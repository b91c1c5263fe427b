from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest
from django.core.management import call_command
from django.db import connections

from jti_replay import replay_cache
from jti_replay.backends.database import DatabaseCache
from tests.rollback.conftest import make_attempt, other_session, serve  # noqa: F401
from tests.rollback.tokens import PROFILE
from tests.servers import missing, postgresql
from tests.servers.mariadb import MISSING, mariadb_server

BACKEND = "jti_replay.backends.database.DatabaseCache"

UseCache = Callable[..., DatabaseCache]


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
        cache._reserves = 0  # It would purge at a moment that is not known.
        return cache

    return use


@pytest.fixture
def server(request: pytest.FixtureRequest) -> str:
    """The alias of a database, which the test names by parametrising this indirectly."""
    if request.param == "mariadb":
        request.getfixturevalue("mariadb_database")
    request.getfixturevalue("transactional_db")
    if request.param not in connections.databases:
        missing(postgresql.MISSING)
    return str(request.param)
