from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers import missing

HERE = Path(__file__).parent
# A lock file would hold the addresses of one registry. The versions are exact without it.
INSTALL = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"]
STRICT = ["--ignore-scripts", "--engine-strict"]
IMPATIENT = ["--fetch-retry-factor=2", "--fetch-retry-mintimeout=1000"]


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the scripts and the packages that they import. Skip without npm."""
    if not (shutil.which("node") and shutil.which("npm")):
        missing("node and npm on PATH")
    folder = tmp_path_factory.mktemp("npm")
    for path in [HERE / "package.json", *HERE.glob("*.mjs")]:
        shutil.copy(path, folder)
    done = subprocess.run(
        [*INSTALL, *STRICT, *IMPATIENT], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        missing(f"set of packages from npm: {done.stderr}")
    return folder


@pytest.fixture
def run(scripts: Path) -> Callable[..., Any]:
    """Give a function that runs a script, and returns what it prints."""

    def run(script: str, **given: Any) -> Any:
        done = subprocess.run(
            ["node", script],
            cwd=scripts,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
