"""What ``manage.py check --database`` asks the stores, and that other commands do not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DATABASE = "jti_replay.backends.database.DatabaseCache"

Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def manage(tmp_path: Path) -> Manage:
    """Give a function that runs a command of a site with an SQLite database."""

    def manage(setting: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "site_settings.py").write_text(
            "SECRET_KEY = 'x' * 60\n"
            "INSTALLED_APPS = ['jti_replay']\n"
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3',"
            f" 'NAME': {str(tmp_path / 'site.sqlite3')!r}}}}}\n"
            f"JTI_REPLAY = {setting!r}\n"
        )
        variables = {
            "PYTHONPATH": f"{Path(__file__).parent.parent.parent}{os.pathsep}{tmp_path}",
            "DJANGO_SETTINGS_MODULE": "site_settings",
        }
        return subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=tmp_path,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return manage


def test_a_missing_table_does_not_keep_migrate_from_making_it(manage: Manage) -> None:
    setting = {"CACHES": {"default": {"BACKEND": DATABASE}}}
    asked = manage(setting, "check", "--database", "default")
    assert asked.returncode == 1
    assert "(jti_replay.E016)" in asked.stderr
    migrated = manage(setting, "migrate", "-v0")
    assert (migrated.returncode, migrated.stderr) == (0, "")
    asked = manage(setting, "check", "--database", "default")
    assert asked.returncode == 0, asked.stderr
