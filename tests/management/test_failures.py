"""Each subcommand tells each failure in a line, and raises nothing but a CommandError."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from jti_replay import replay_caches
from jti_replay.management.operations.failures import in_a_line
from tests.servers import free_port

from .conftest import DATABASE, Manage, Run, use
from .test_doctor_any_cache import BASE, MEMORY

SUBCOMMANDS: dict[str, list[str]] = {
    "doctor": [],
    "stats": [],
    "purge": [],
    "reset": [],
    "release": ["a jti"],
}


def fails(run: Run, name: str) -> str:
    """Run a subcommand that fails. Return what it says, which is one line."""
    with pytest.raises(CommandError) as caught:
        run(name, *SUBCOMMANDS[name])
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.fixture
def no_table(transactional_db: None, settings: Any) -> Iterator[None]:
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": DATABASE}}}
    MigrationExecutor(connections["default"]).migrate([("jti_replay", None)])
    yield
    executor = MigrationExecutor(connections["default"])
    executor.migrate(executor.loader.graph.leaf_nodes("jti_replay"))


@pytest.mark.usefixtures("no_table")
def test_a_missing_table_is_told_in_a_line(run: Run) -> None:
    for name in ("stats", "purge", "reset", "release"):
        assert "no such table: jti_replay_" in fails(run, name)
    assert fails(run, "doctor").startswith("1 cache, 1 error")
    assert "E016" in run.stdout.getvalue()  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_database_that_is_down_is_told_in_a_line(
    run: Run, settings: Any, monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": DATABASE, "LOCATION": postgres}}}
    connections[postgres].close()
    monkeypatch.setitem(connections[postgres].settings_dict, "PORT", free_port())
    monkeypatch.setitem(connections.settings[postgres], "PORT", free_port())
    for name in ("stats", "purge", "reset", "release"):
        assert "refused" in fails(run, name)
    assert fails(run, "doctor").startswith("1 cache, 1 error")


def test_a_redis_that_is_down_is_told_in_a_line(run: Run, settings: Any) -> None:
    use(settings, f"redis://127.0.0.1:{free_port()}/0", COLD_START="refuse")
    assert fails(run, "stats").startswith("default: ConnectionError: ")
    assert fails(run, "release").startswith("ConnectionError: ")
    assert fails(run, "release").endswith("The jti may still be reserved.")
    assert fails(run, "doctor").startswith("1 cache, 1 error")
    run("purge")  # There is nothing to purge, so that nothing is asked.
    assert "keeps no note" in fails(run, "reset")


@pytest.mark.parametrize("batch", ["0", "-1", str(2**31), str(2**63), "9" * 5000, "x"], ids=len)
def test_a_batch_that_is_absurd_is_refused(run: Run, batch: str) -> None:
    with pytest.raises(CommandError, match="--batch"):
        run("purge", "--batch", batch)


@pytest.mark.django_db
def test_a_cache_that_fails_keeps_no_other_from_being_purged(
    run: Run, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.JTI_REPLAY = {
        "CACHES": {"default": BASE, "rows": {"BACKEND": DATABASE}, "last": BASE}
    }

    def fail() -> int:
        raise ValueError("first line\nsecond line")

    for alias in ("default", "last"):
        monkeypatch.setattr(replay_caches[alias], "backlog", fail)
    with pytest.raises(CommandError) as caught:
        run("purge")
    line = "ValueError: first line second line"
    assert str(caught.value) == f"default: {line}\nlast: {line}"
    assert run.stdout.getvalue().startswith("rows: 0 rows")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError("no route\n to host"), "OSError: no route to host. The jti may still be"),
        (RuntimeError(), "RuntimeError. The jti"),
        (KeyboardInterrupt(), "Interrupted."),
    ],
    ids=repr,
)
def test_whatever_is_raised_is_told_in_a_line(
    run: Run, settings: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, message: str
) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": MEMORY}}}

    def fail(*args: Any, **kwargs: Any) -> bool:
        raise error

    monkeypatch.setattr(replay_caches["default"], "release", fail)
    assert fails(run, "release").startswith(message)


def test_an_error_of_ours_goes_without_its_class() -> None:
    assert in_a_line(NotImplementedError("It cannot.")) == "It cannot."
    assert in_a_line(NotImplementedError()) == "NotImplementedError"


def test_a_shell_sees_one_line_and_status_1(manage: Manage) -> None:
    done = manage({"CACHES": {"default": {"BACKEND": DATABASE}}}, "jti_replay", "purge")
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("CommandError: default: OperationalError: no such table")
