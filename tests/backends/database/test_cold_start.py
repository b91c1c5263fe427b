"""Since when the cache in a database remembers, and how an operator lets it begin anew."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from jti_replay import ColdStart, replay_cache
from jti_replay.backends.database.statements import VENDORS
from jti_replay.backends.database.statements.sqlite import SQLiteStatements
from jti_replay.models import MemoryStart

from .conftest import BACKEND, EACH, UseCache

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

SKEW = 0.01
"""Seconds by which the clocks of a database and of its host may be read apart."""


def reset(*arguments: str) -> str:
    output = io.StringIO()
    call_command("jti_replay", "reset", *arguments, stdout=output)
    return output.getvalue()


@EACH
def test_a_memory_without_a_note_begins_when_it_is_started(
    server: str, use_cache: UseCache
) -> None:
    cache = use_cache(server)
    MemoryStart.objects.using(server).all().delete()
    assert cache.complete_since() is None
    assert MemoryStart.objects.using(server).count() == 0
    before = time.time()
    since = cache.start_memory()
    assert since is not None
    assert before - SKEW < since < time.time() + SKEW
    assert cache.complete_since() == since
    assert str(MemoryStart.objects.using(server).get()) == f"{round(since * 1000)}"


@EACH
def test_an_operator_restarts_the_memory(server: str, settings: Any) -> None:
    params = {"BACKEND": BACKEND, "LOCATION": server, "COLD_START": "refuse"}
    settings.JTI_REPLAY = {"CACHES": {"default": params}}
    cache = replay_cache
    issued = cache.start_memory()
    assert replay_cache.reserve("a", usable_since=issued)
    time.sleep(0.05)
    assert reset().startswith("default: the memory begins at ")
    with pytest.raises(ColdStart):
        replay_cache.reserve("b", usable_since=issued)
    with pytest.raises(ColdStart):
        replay_cache.reserve("a", usable_since=issued)
    assert replay_cache.reserve("b", usable_since=time.time() + 1)
    assert replay_cache.reserve("a", usable_since=time.time() + 1) is None


@EACH
def test_the_migration_notes_the_time_of_the_database(
    server: str, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the clock of the host says that migrates."""
    real = time.time
    before = real()
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    for target in (None, "0001_initial"):
        executor = MigrationExecutor(connections[server])
        executor.migrate([("jti_replay", target)])
    monkeypatch.undo()
    after = real()
    time.sleep(0.05)
    since = use_cache(server).complete_since()
    assert since is not None
    assert before - SKEW <= since <= after + SKEW


def test_the_migration_notes_nothing_where_no_cache_can_be(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VENDORS, "other", VENDORS.pop("sqlite"))
    try:
        for target in (None, "0001_initial"):
            executor = MigrationExecutor(connections["default"])
            executor.migrate([("jti_replay", target)])
    finally:
        monkeypatch.undo()
        VENDORS["sqlite"] = SQLiteStatements
    assert not MemoryStart.objects.exists()


def test_only_a_database_has_a_memory_to_reset(settings: Any) -> None:
    memory = "jti_replay.backends.memory.InMemoryCache"
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": memory}}}
    with pytest.raises(CommandError, match="keeps no note of when its memory begins"):
        reset()
