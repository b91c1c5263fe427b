"""COLD_START in the tests of a project, as docs/how-to/database.md tells of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SETTINGS = """
SECRET_KEY = "of a test"
INSTALLED_APPS = ["jti_replay"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
JTI_REPLAY = {"CACHES": {}}
for name in ("accept", "refuse"):
    JTI_REPLAY["CACHES"][name] = {
        "BACKEND": "jti_replay.backends.database.DatabaseCache", "COLD_START": name
    }
JTI_REPLAY["CACHES"]["default"] = JTI_REPLAY["CACHES"]["accept"]
"""

TESTS = """
import time
from uuid import uuid4
from django.test import TransactionTestCase
from jti_replay import ColdStart, replay_caches

def reserve(name, usable_since):
    return replay_caches[name].reserve(uuid4().hex, usable_since=usable_since)

class Twice:
    def check(self):
        assert reserve("accept", time.time() - 30)
        try:
            return bool(reserve("refuse", time.time()))
        except ColdStart:
            return False

    def test_one(self):
        self.check()

    def test_two(self):
        assert self.check() is self.serialized_rollback

class Emptied(Twice, TransactionTestCase):
    serialized_rollback = False

class BroughtBack(Twice, TransactionTestCase):
    serialized_rollback = True
"""


def test_the_settings_that_are_documented_do_what_they_are_to(tmp_path: Path) -> None:
    """The choice "accept" accepts, and serialized_rollback brings the note back."""
    (tmp_path / "site_settings.py").write_text(SETTINGS)
    (tmp_path / "test_site.py").write_text(TESTS)
    run = subprocess.run(
        [sys.executable, "-m", "django", "test", "-v2"],
        cwd=tmp_path,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Ran 4 tests" in run.stderr
