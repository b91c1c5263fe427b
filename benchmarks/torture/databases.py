"""The databases of the runs."""

from __future__ import annotations

import importlib.util
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from tests.servers import postgresql
from tests.servers.mariadb import mariadb_server

COUNT = "SELECT jti, COUNT(*) FROM exchange_auditrow GROUP BY jti"
MARIADB_NAME = "torture"
LOCKS = "torture_locks"
"""The table of MariaDB whose two rows are locked in any order."""

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


class MariaDB:
    """A server on loopback. It is not there to fail, but for its deadlocks."""

    name = "MariaDB"
    is_migrated = False

    def __init__(self, reached: dict[str, Any]) -> None:
        self._reached = reached
        self._execute(f"CREATE DATABASE {MARIADB_NAME}", database=None)
        self._execute(f"CREATE TABLE {LOCKS} (id INTEGER PRIMARY KEY, n INTEGER) ENGINE=InnoDB")
        self._execute(f"INSERT INTO {LOCKS} VALUES (1, 0), (2, 0)")
        self.settings: dict[str, Any] = {
            "ENGINE": "django.db.backends.mysql",
            "NAME": MARIADB_NAME,
            **reached,
        }

    def clear(self) -> None:
        """Empty the tables."""
        for table in TABLES:
            self._execute(f"DELETE FROM {table}")

    def audited(self) -> dict[str, int]:
        """Return how often each jti was accepted, by the audit table."""
        return dict(self._execute(COUNT))

    def _execute(self, sql: str, database: str | None = MARIADB_NAME) -> Any:
        import pymysql

        reached = self._reached
        with closing(
            pymysql.connect(
                host=reached["HOST"],
                port=reached["PORT"],
                user=reached["USER"],
                database=database,
                autocommit=True,
            )
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall()


Database = PostgreSQL | SQLite | MariaDB


class Databases:
    """The databases by name. ``with`` ends those that were asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Database | None] = {}
        self._exits = ExitStack()

    def get(self, name: str) -> Database | None:
        """Return a database. SQLite stands in for PostgreSQL; None if there is no other."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exits.close()

    def _make(self, name: str) -> Database | None:
        if name == MariaDB.name:
            if importlib.util.find_spec("pymysql") is None:
                return None
            reached = self._exits.enter_context(mariadb_server())
            return MariaDB(reached) if reached else None
        if name == PostgreSQL.name and importlib.util.find_spec("psycopg") is not None:
            # A process that is killed does not lose what the system has been given.
            server = self._exits.enter_context(postgresql.postgresql_server(of=PostgreSQL))
            if server is not None:
                return cast("PostgreSQL", server)
        return SQLite(self._folder)
