"""A MariaDB of one's own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .choice import chosen, on_path
from .ports import free_port, wait_for_port

MISSING = "mariadbd on PATH"


@contextmanager
def mariadb_server(*options: str) -> Iterator[dict[str, Any] | None]:
    """
    Run a MariaDB. Gives the Django settings that reach it, or None without one.

    ``options`` are options of the server, such as ``"--innodb-snapshot-isolation=ON"``.
    """
    found, installers = chosen(on_path("mariadbd")), list(on_path("mariadb-install-db"))
    if not found or not installers:
        yield None
        return
    home = Path(tempfile.mkdtemp(prefix="mariadb-", dir="/tmp"))
    port = free_port()
    process: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    common = [f"--datadir={home / 'data'}", f"--user={pwd.getpwuid(os.geteuid()).pw_name}"]
    install = [
        *(installers[0], "--no-defaults", *common, "--auth-root-authentication-method=normal"),
        *("--skip-test-db", "--skip-name-resolve"),
    ]
    _install(install, home)
    serve = [
        *(found[0], "--no-defaults", *common, f"--port={port}", "--bind-address=127.0.0.1"),
        *(f"--socket={home / 'socket'}", f"--pid-file={home / 'pid'}", "--skip-name-resolve"),
        # Version 11 offers TLS unasked, and a proxy cannot tell what goes by.
        "--skip-ssl",
        *("--max-connections=300", "--innodb-buffer-pool-size=32M"),
        *("--innodb-flush-log-at-trx-commit=0", *options),
    ]
    server = subprocess.Popen(serve, **process)
    try:
        wait_for_port(port, server)
        # Otherwise pymysql reads the certificates of all authorities for each connection.
        plain = {"ssl_disabled": True}
        yield {"HOST": "127.0.0.1", "PORT": port, "USER": "root", "OPTIONS": plain}
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(home, ignore_errors=True)


def _install(command: list[Any], home: Path) -> None:
    """Make the data directory. With the servers of other tests around, it may fail once."""
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        shutil.rmtree(home / "data", ignore_errors=True)
    raise RuntimeError(f"MariaDB cannot be installed:\n{done.stdout}{done.stderr}")
