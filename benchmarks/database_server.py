"""Databases of one's own: a SQLite file, and a PostgreSQL on loopback."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.postgresql import postgresql_server


@contextmanager
def sqlite_database() -> Iterator[dict[str, Any]]:
    """Give the settings of a SQLite file, as docs/how-to/database.md asks for them."""
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
    """Give the settings of a PostgreSQL that writes to disk, or None without one."""
    with postgresql_server(durable=True) as server:
        if server is None:
            yield None
        else:
            engine = "django.db.backends.postgresql"
            yield {"ENGINE": engine, "NAME": "postgres", **server.reached}
