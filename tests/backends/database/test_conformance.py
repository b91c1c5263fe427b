"""DatabaseCache is a replay cache, on each database."""

from __future__ import annotations

from typing import Any, ClassVar
from unittest import mock

import pytest
from django.db import connections
from django.test import TransactionTestCase

from jti_replay.backends.database import connections as private_connections
from jti_replay.testing import ReplayCacheTests
from tests.backends.database.conftest import BACKEND
from tests.backends.waiting import PATIENT
from tests.servers import missing
from tests.servers.postgresql import MISSING

NOWHERE: dict[str, dict[str, Any]] = {
    "sqlite": {"NAME": "/no/such/folder/database"},
    "postgresql": {"PORT": 1},
    "mysql": {"PORT": 1},
}
"""Where each database does not answer."""


class OnDatabase(ReplayCacheTests):
    """What follows runs on one of the databases, and in transactions or beside them."""

    location: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    unreachable_settings = {"BACKEND": BACKEND, "LOCATION": "away"}

    def setUp(self) -> None:
        if self.location not in connections.databases:
            missing(MISSING)
        type(self).cache_settings = {
            "BACKEND": BACKEND,
            "LOCATION": self.location,
            "OPTIONS": PATIENT | self.options,
        }
        here = connections[self.location]
        connections.databases["away"] = here.settings_dict | NOWHERE[here.vendor]
        self.addCleanup(self.forget_away)
        self.addCleanup(setattr, type(self), "databases", self.databases)
        type(self).databases |= {"away"}
        self.keep_private_connections()
        super().setUp()

    def keep_private_connections(self) -> None:
        """Keep them as a site does. A test run would connect again for each operation."""
        kept = mock.patch.object(private_connections, "is_test_run", return_value=False)
        age = mock.patch.dict(connections[self.location].settings_dict, CONN_MAX_AGE=60)
        for patch in (kept, age):
            patch.start()
            self.addCleanup(patch.stop)

    def forget_away(self) -> None:
        connections["away"].close()
        del connections["away"]
        del connections.databases["away"]


class OnSQLite(OnDatabase, TransactionTestCase):
    databases = {"default"}
    location = "default"


ALONE = {"join": False, "timeout": 30}
"""Many tasks wait for few threads, and the limit counts from when each was begun."""


class OnSQLiteAlone(OnSQLite):
    options = ALONE


class OnPostgreSQL(OnDatabase, TransactionTestCase):
    databases = "__all__"
    location = "postgres"


class OnPostgreSQLAlone(OnPostgreSQL):
    options = ALONE


@pytest.mark.usefixtures("mariadb_database")
class OnMariaDB(OnDatabase, TransactionTestCase):
    databases = "__all__"
    location = "mariadb"


class OnMariaDBAlone(OnMariaDB):
    options = ALONE
