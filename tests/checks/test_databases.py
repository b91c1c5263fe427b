"""What the system checks say of a cache in a database, and what a router does not decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from jti_replay import replay_cache
from jti_replay.models import ReservedJTI

from .configurations import ids

DATABASE = "jti_replay.backends.database.DatabaseCache"

Check = Callable[..., list[CheckMessage]]


def cache(**changes: Any) -> dict[str, Any]:
    return {"CACHES": {"default": {"BACKEND": DATABASE, **changes}}}


@pytest.fixture
def transaction_mode(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Give a function that sets the mode of the transactions of the default database."""
    options = connections["default"].settings_dict["OPTIONS"]
    return lambda mode: monkeypatch.setitem(options, "transaction_mode", mode)


def test_good_settings_give_nothing(check: Check) -> None:
    for value in (
        cache(),
        cache(LOCATION="default", OPTIONS={"join": True, "timeout": 0.5}),
        cache(LOCATION="memory"),
    ):
        assert check(value, deploy=True) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"LOCATION": "elsewhere"}, ["E006"]),
        ({"LOCATION": "elsewhere", "OPTIONS": {"join": False}}, ["E006"]),
        ({"OPTIONS": {"join": "no"}}, ["E001"]),
        ({"OPTIONS": {"timeout": "1"}}, ["E001"]),
        ({"OPTIONS": {"purge": 1}}, ["E001"]),
        ({"OPTIONS": {"timeout": -1}}, ["E007"]),
        ({"OPTIONS": {"timeuot": 1}}, ["E002"]),
        ({"LOCATION": "memory", "OPTIONS": {"join": False}}, ["E017"]),
    ],
)
def test_what_cannot_work_is_refused(check: Check, changes: Any, expected: Any) -> None:
    assert ids(check(cache(**changes))) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(None, []), ("DEFERRED", []), ("immediate", ["E017"]), ("EXCLUSIVE", ["E017"])],
)
@pytest.mark.django_db(transaction=True)
def test_sqlite_that_is_locked_from_the_beginning_has_no_room_for_a_second_connection(
    check: Check,
    transaction_mode: Callable[[str | None], None],
    mode: str | None,
    expected: list[str],
) -> None:
    transaction_mode(mode)
    assert ids(check(cache(OPTIONS={"join": False}))) == expected
    assert check(cache()) == []


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_another_database_may_have_a_second_connection(check: Check, postgres: str) -> None:
    assert check(cache(LOCATION=postgres, OPTIONS={"join": False})) == []


# Asked of the database.


def asked(*databases: str) -> list[str]:
    """Return what ``check --database`` says of this app."""
    found = run_checks(databases=list(databases) or None)
    return ids([each for each in found if str(each.id).startswith("jti_replay.")])


@pytest.fixture
def unmigrated() -> Any:
    """A database on which this app has not been migrated."""
    executor = MigrationExecutor(connections["default"])
    executor.migrate([("jti_replay", None)])
    yield
    executor = MigrationExecutor(connections["default"])
    executor.migrate([("jti_replay", "0001_initial")])


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_database_that_is_not_migrated_is_named(settings: Any, unmigrated: None) -> None:
    settings.JTI_REPLAY = cache(LOCATION="default")
    assert asked("default") == ["E016"]
    assert asked("default", "memory") == ["E016"]
    assert asked("memory") == []
    assert asked() == []
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": "no.such.Cache"}}}
    assert asked("default", "memory") == ["E004"]


class Everything:
    """Sends all that is read and written to the database in memory."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "memory"

    db_for_write = db_for_read


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_cache_uses_the_database_that_it_names_whatever_a_router_says(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [Everything()]
    settings.JTI_REPLAY = cache(LOCATION="default")
    reservation = replay_cache.reserve("a")
    assert reservation
    assert replay_cache.count() == 1
    assert replay_cache.reserve("a") is None
    assert ReservedJTI.objects.using("default").count() == 1
    assert ReservedJTI.objects.count() == 0
    assert reservation.release()


def test_a_database_without_statements_is_refused(
    check: Check, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the check, and at run time."""
    monkeypatch.setattr(connections["default"], "vendor", "oracle")
    settings.JTI_REPLAY = cache()
    (message,) = check(cache())
    assert ids([message]) == ["E039"]
    assert "'oracle'" in message.msg
    assert "PostgreSQL" in str(message.hint)
    with pytest.raises(ImproperlyConfigured, match="E039"):
        replay_cache.reserve("a")
