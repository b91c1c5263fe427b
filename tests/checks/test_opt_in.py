"""What ``manage.py check --database`` asks the stores, and that other commands do not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import ERROR, WARNING, CheckMessage, run_checks

from jti_replay.checks import check_stores
from tests.servers import free_port

from .configurations import DATABASE

Manage = Callable[..., subprocess.CompletedProcess[str]]


def test_a_missing_table_does_not_keep_migrate_from_making_it(manage: Manage) -> None:
    setting = {"CACHES": {"default": {"BACKEND": DATABASE}}}
    asked = manage(setting, "check", "--database", "default")
    assert asked.returncode == 1
    assert "(jti_replay.E016)" in asked.stderr
    migrated = manage(setting, "migrate", "-v0")
    assert (migrated.returncode, migrated.stderr) == (0, "")
    asked = manage(setting, "check", "--database", "default")
    assert asked.returncode == 0, asked.stderr


@pytest.fixture
def dead_redis(settings: Any) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{free_port()}/0",
        }
    }
    settings.JTI_REPLAY = {
        "CACHES": {
            "default": {"BACKEND": "jti_replay.backends.memory.InMemoryCache"},
            "dead": {"BACKEND": "jti_replay.backends.redis.RedisCache"},
            "elsewhere": {"BACKEND": DATABASE, "LOCATION": "memory"},
        }
    }


def asked(databases: list[str] | None) -> list[CheckMessage]:
    """Return what a check of databases says of the stores."""
    return check_stores(None, databases=databases)


@pytest.mark.usefixtures("dead_redis")
def test_the_findings_are_checks_when_a_database_is_named() -> None:
    memory, dead = asked(["default"])  # The other database was not named.
    assert (memory.id, memory.level) == ("jti_replay.W001", WARNING)
    assert (dead.id, dead.level) == ("jti_replay.E020", ERROR)
    assert "'dead', reachable: " in dead.msg
    assert dead.hint
    assert dead in run_checks(databases=["default"], tags=["database"])


@pytest.mark.usefixtures("dead_redis")
def test_nothing_is_asked_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(None) == []
    assert asked([]) == []
    for command in ("migrate", "test"):
        monkeypatch.setattr("sys.argv", ["manage.py", command])
        assert asked(["default"]) == []
    monkeypatch.setattr("sys.argv", ["manage.py", "check"])
    assert len(asked(["default"])) == 2


def test_settings_that_cannot_work_are_left_to_the_other_checks(settings: Any) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": "no.such.Cache"}}}
    assert asked(["default"]) == []
