"""The database of a run: PostgreSQL if there is one, else SQLite."""

from __future__ import annotations

import importlib.util
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.servers import postgresql

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


class PostgreSQL(postgresql.PostgreSQL):
    """A server on loopback, which can be killed and paused."""

    name = "PostgreSQL"
    is_migrated = False

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of Django that reach it."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "OPTIONS": {"connect_timeout": 5},
            **self.reached,
        }

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

        reached = {"host": "127.0.0.1", "port": self.port, "user": "postgres"}
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


Database = PostgreSQL | SQLite


@contextmanager
def database(folder: Path) -> Iterator[Database]:
    """Run a PostgreSQL if there is one, else use a SQLite file."""
    if importlib.util.find_spec("psycopg") is None:
        yield SQLite(folder)
        return
    # A process that is killed does not lose what the system has been given.
    with postgresql.postgresql_server(of=PostgreSQL) as server:
        yield server or SQLite(folder)
