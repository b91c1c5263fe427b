"""DatabaseCache is a replay cache, on each database."""

from __future__ import annotations

from django.test import TransactionTestCase

from jti_replay.testing import ReplayCacheTests

BACKEND = "jti_replay.backends.database.DatabaseCache"


class OnSQLite(ReplayCacheTests, TransactionTestCase):
    databases = {"default"}
    cache_settings = {"BACKEND": BACKEND, "LOCATION": "default"}


class OnSQLiteAlone(ReplayCacheTests, TransactionTestCase):
    databases = {"default"}
    cache_settings = {"BACKEND": BACKEND, "LOCATION": "default", "OPTIONS": {"join": False}}


class OnPostgreSQL(ReplayCacheTests, TransactionTestCase):
    databases = {"default", "postgres"}
    cache_settings = {"BACKEND": BACKEND, "LOCATION": "postgres"}
