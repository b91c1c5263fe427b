"""Many processes on one database: one wins each jti, and a kill leaves no half of anything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from django.db import connections

from tests.backends.database import crowd
from tests.backends.database.conftest import EACH
from tests.models import Work

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


OPTIONS: dict[str, dict[str, Any]] = {
    "sqlite": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }
}
"""As docs/how-to/database.md asks for."""


def run(alias: str, task: str) -> Any:
    """Let a crowd use a database, and return what it prints."""
    connection = connections[alias]
    names = ("ENGINE", "NAME", "HOST", "PORT", "USER")
    database = {name: connection.settings_dict[name] for name in names}
    options = connection.settings_dict["OPTIONS"]
    database["OPTIONS"] = OPTIONS.get(connection.vendor, options)
    connection.close()
    done = subprocess.run(
        [sys.executable, "-m", crowd.__name__, json.dumps(database, default=str), task],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # Each replay is a line of its log.
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout)


@EACH
def test_processes_that_race_have_one_winner_for_each_jti(server: str) -> None:
    for name, answers in run(server, "race").items():
        wins = Counter(jti for won in answers for jti in won)
        assert wins == {f"{name} {number}": 1 for number in range(crowd.JTIS)}
    assert Work.objects.using(server).count() == 2 * crowd.JTIS


@EACH
def test_processes_that_are_killed_leave_work_and_jti_or_neither(server: str) -> None:
    answer = run(server, "kill")
    assert answer["killed"] == crowd.VICTIMS
    assert sorted(answer["taken"]) == sorted(answer["done"])
    # They were killed before their commit, and after it.
    assert 0 < len(answer["done"]) < crowd.VICTIMS
