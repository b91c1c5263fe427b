"""``manage.py jti_replay stats``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError

from jti_replay import replay_caches

from .conftest import DATABASE, Run
from .test_doctor_any_cache import BASE, MEMORY


@pytest.fixture
def three_caches(settings: Any, transactional_db: None) -> None:
    settings.JTI_REPLAY = {
        "CACHES": {
            "default": {"BACKEND": MEMORY, "OPTIONS": {"max_entries": 5000}},
            "database": {"BACKEND": DATABASE},
            "other": BASE,
        }
    }
    for alias in ("default", "database"):
        assert replay_caches[alias].reserve("a")


@pytest.mark.usefixtures("three_caches")
def test_it_shows_a_line_for_each_cache(run: Run) -> None:
    assert [line.split() for line in run("stats").splitlines()] == [
        ["cache", "entries", "capacity", "backlog", "complete", "since"],
        ["default", "not", "counted", "5_000", "-", "-"],
        ["database", "1", "-", "0", *_since(run)],
        ["other", "not", "counted", "-", "-", "-"],
    ]


def _since(run: Run) -> list[str]:
    return run("stats", "--cache", "database").split()[-1:]


@pytest.mark.usefixtures("three_caches")
def test_it_writes_one_json_document(run_json: Callable[..., Any]) -> None:
    caches = run_json("stats")["caches"]
    assert (caches["database"]["entries"], caches["database"]["backlog"]) == (1, 0)
    # What the server processes hold in memory cannot be seen from here.
    assert caches["default"] == {
        "entries": None,
        "capacity": 5000,
        "backlog": None,
        "complete_since": None,
    }


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.django_db(transaction=True)
def test_a_cache_that_cannot_be_asked_is_an_error_beside_the_others(
    run: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": DATABASE}, "other": BASE}}

    def fail() -> int:
        raise OSError("no route to host")

    monkeypatch.setattr(replay_caches["default"], "count", fail)
    with pytest.raises(CommandError, match=r"^default: OSError: no route to host$"):
        run("stats", *form)
    output = run.stdout.getvalue()
    assert "other" in output
    assert ('"error": "OSError: no route to host"' in output) is bool(form)
