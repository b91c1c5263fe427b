"""The migration applies wherever a router lets it, and does nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from jti_replay.backends.database import DatabaseCache

NAMES = ("reservedjti", "memorystart")
TABLES = {"jti_replay_reservedjti", "jti_replay_memorystart"}


class ByModelName:
    """Keeps the jtis on a database of their own, by the name of the model."""

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool | None:
        return db == "jtis" if model_name in NAMES else None


class OnlyKnownModels:
    """Lets only the models through that it knows, so that it must be told of one."""

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool:
        return db == "jtis" and model_name in NAMES


class ByModel:
    """Keeps the jtis on a database of their own, by the class of the model."""

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool | None:
        model = hints.get("model")
        return db == "jtis" if model is not None and model._meta.model_name in NAMES else None


class ByApp:
    """Keeps the whole app on a database of its own."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == "jtis" if app_label == "jti_replay" else None


@pytest.fixture
def new_databases(
    tmp_path: Path, django_db_setup: None, django_db_blocker: Any
) -> Iterator[None]:
    """Two databases that have not been migrated yet."""
    for alias in ("jtis", "other"):
        connections.databases[alias] = connections["default"].settings_dict | {
            "NAME": str(tmp_path / alias)
        }
    with django_db_blocker.unblock():
        yield
    for alias in ("jtis", "other"):
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]


@pytest.mark.parametrize("router", [ByModelName, OnlyKnownModels, ByModel, ByApp])
@pytest.mark.usefixtures("new_databases")
def test_a_router_decides_where_the_tables_are(settings: Any, router: type) -> None:
    """The row of the memory's beginning is asked for as its table is."""
    settings.DATABASE_ROUTERS = [f"{__name__}.{router.__name__}"]
    for alias in ("jtis", "other"):
        call_command("migrate", "jti_replay", database=alias, verbosity=0)
    assert set(connections["jtis"].introspection.table_names()) >= TABLES
    assert not TABLES & set(connections["other"].introspection.table_names())
    assert DatabaseCache("default", {"LOCATION": "jtis"}).complete_since()
    call_command("migrate", "jti_replay", "zero", database="jtis", verbosity=0)
    assert not TABLES & set(connections["jtis"].introspection.table_names())


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_the_migrations_are_complete() -> None:
    call_command("makemigrations", "jti_replay", check=True, dry_run=True, verbosity=0)
    assert "jti_replay_reservedjti" in connections["default"].introspection.table_names()
