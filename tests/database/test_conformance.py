"""DatabaseCache is a replay cache, on each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import TransactionTestCase

from jti_replay import replay_caches
from jti_replay.testing import ReplayCacheTests

BACKEND = "jti_replay.backends.database.DatabaseCache"
ALONE = {"join": False}


@pytest.fixture(autouse=True)
def _server(request: pytest.FixtureRequest) -> Iterator[None]:
    for server in request.cls.servers:
        request.getfixturevalue(server)
    yield
    replay_caches.close_all()


class OnSQLite(ReplayCacheTests, TransactionTestCase):
    servers = ()
    databases = {"default"}
    cache_settings = {"BACKEND": BACKEND, "LOCATION": "default"}


class OnSQLiteAlone(OnSQLite):
    cache_settings = {**OnSQLite.cache_settings, "OPTIONS": ALONE}


class OnPostgreSQL(ReplayCacheTests, TransactionTestCase):
    servers = ("postgres",)
    databases = {"default", "postgres"}
    cache_settings = {"BACKEND": BACKEND, "LOCATION": "postgres"}


class OnPostgreSQLAlone(OnPostgreSQL):
    cache_settings = {**OnPostgreSQL.cache_settings, "OPTIONS": ALONE}


class OnMariaDB(ReplayCacheTests, TransactionTestCase):
    servers = ("mariadb",)
    databases = {"default", "mariadb"}
    cache_settings = {"BACKEND": BACKEND, "LOCATION": "mariadb"}


class OnMariaDBAlone(OnMariaDB):
    cache_settings = {**OnMariaDB.cache_settings, "OPTIONS": ALONE}
