"""
What a reserve costs in a database, beside the bare statement and what others do.

Each database is measured in a process of its own, whose Django has it as its default.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

from .database_server import postgres_database, sqlite_database
from .method import compare, fresh_jtis, progress

SERVERS = {"SQLite": sqlite_database, "PostgreSQL": postgres_database}
SIMPLEJWT = find_spec("rest_framework_simplejwt") is not None
BATCH = 100
RESERVE = "DatabaseCache.reserve"
RAW = "INSERT ... ON CONFLICT, driver"

RAW_SQL = (
    "INSERT INTO raw_jtis (digest, namespace, owner, expires_at)"
    " VALUES ({0}, {0}, {0}, {0}) ON CONFLICT (digest) DO UPDATE"
    " SET namespace = excluded.namespace, owner = excluded.owner,"
    " expires_at = excluded.expires_at WHERE raw_jtis.expires_at <= {0}"
)

SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "for benchmarks only, and long enough for HS256",
    "LOGGING_CONFIG": None,
    "USE_TZ": True,
    "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "INSTALLED_APPS": [
        "django.contrib.auth",
        "django.contrib.contenttypes",
        *(["rest_framework_simplejwt.token_blacklist"] if SIMPLEJWT else []),
        "jti_replay",
    ],
    "CACHES": {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "django_cache",
            "OPTIONS": {"MAX_ENTRIES": 10_000_000},
        }
    },
    "JTI_REPLAY": {
        "CACHES": {"default": {"BACKEND": "jti_replay.backends.database.DatabaseCache"}}
    },
}


def measure(databases: Iterable[str], rounds: int) -> dict[str, Any]:
    """Return the costs of a reserve, by database, in autocommit and in a transaction."""
    measured: dict[str, Any] = {}
    for name in databases:
        progress(f"a reserve in {name}")
        with SERVERS[name]() as reached:
            if reached:
                for mode, costs in _in_process(reached, rounds).items():
                    measured[f"{name}, {mode}"] = costs
    return measured


def _in_process(database: dict[str, Any], rounds: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.database_cost", json.dumps(database)]
    done = subprocess.run(
        [*command, str(rounds)], stdout=subprocess.PIPE, check=True, timeout=3600
    )
    costs: dict[str, Any] = json.loads(done.stdout)
    return costs


def _main(database: dict[str, Any], rounds: int) -> None:
    import django
    from django.conf import settings

    settings.configure(**SETTINGS, DATABASES={"default": database})
    django.setup()

    from django.core.management import call_command
    from django.db import connection, transaction

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    kind = "BLOB" if connection.vendor == "sqlite" else "bytea"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE raw_jtis (digest {kind} PRIMARY KEY, namespace varchar(255)"
            " NOT NULL, owner bigint NOT NULL, expires_at bigint NOT NULL)"
        )
        cursor.execute("CREATE INDEX raw_expiry ON raw_jtis (expires_at)")
    blocks: dict[str, Callable[[], Any]] = {
        "autocommit": nullcontext,
        "in a transaction": transaction.atomic,
    }
    print(json.dumps({mode: _costs(block, rounds) for mode, block in blocks.items()}))


def _costs(block: Callable[[], Any], rounds: int) -> dict[str, Any]:
    from django.core.cache import cache as django_cache
    from django.db import connection

    from jti_replay import replay_caches
    from jti_replay.models import ReservedJTI

    driver = connection.connection
    sql = RAW_SQL.format("?" if connection.vendor == "sqlite" else "%s")
    cache = replay_caches["default"]
    expiry = int(time.time()) + 600
    moment = datetime.fromtimestamp(expiry, UTC)

    def raw(jti: str) -> bool:
        cursor = driver.cursor()
        now = int(time.time() * 1000)
        cursor.execute(sql, (bytes.fromhex(jti), "", 1, expiry * 1000, now))
        return bool(cursor.rowcount)

    def orm(jti: str) -> ReservedJTI:
        return ReservedJTI.objects.create(
            digest=bytes.fromhex(jti), namespace="", owner=1, expires_at=expiry * 1000
        )

    def token(jti: str) -> Any:
        from rest_framework_simplejwt.tokens import RefreshToken

        made = RefreshToken()
        made["jti"] = jti
        made.set_exp(from_time=moment)
        return made

    calls: dict[str, tuple[Callable[[Any], object], Callable[[str], Any]]] = {
        RAW: (raw, str),
        RESERVE: (lambda jti: cache.reserve(jti, expiry), str),
        "ORM create": (orm, str),
        "Django DatabaseCache.add": (lambda jti: django_cache.add(jti, 1, timeout=600), str),
    }
    if SIMPLEJWT:
        calls["simplejwt blacklist"] = (lambda token: token.blacklist()[1], token)

    def batches() -> Mapping[str, tuple[Callable[[], object], int]]:
        return {
            name: (_batch(block, call, [prepare(jti) for jti in fresh_jtis(BATCH)]), BATCH)
            for name, (call, prepare) in calls.items()
        }

    return compare(batches, base=RAW, rounds=rounds)


def _batch(
    block: Callable[[], Any], call: Callable[[Any], object], inputs: list[Any]
) -> Callable[[], object]:
    def run() -> None:
        with block():
            for each in inputs:
                assert call(each)

    return run


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]), int(sys.argv[2]))
