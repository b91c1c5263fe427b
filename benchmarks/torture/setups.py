"""The set-ups that are tortured, and the faults that befall them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .issuer import LEEWAY

MEMORY = "jti_replay.backends.memory.InMemoryCache"
REDIS = "jti_replay.backends.redis.RedisCache"
DATABASE = "jti_replay.backends.database.DatabaseCache"

SHORT_LIFETIME = 4
"""Seconds that a token lives in the runs with stepped clocks; otherwise 500."""

STEP = 0.9 * LEEWAY
"""By how many seconds a clock is wrong at the most, either way."""

WORKER_KILLED = "worker killed"
CLOCK_STEPPED = "clocks stepped"
REDIS_KILLED = "Redis killed"
REDIS_PAUSED = "Redis paused"
REDIS_FLUSHED = "Redis flushed"
REDIS_FAILED_OVER = "Redis failed over"
REDIS_FULL = "Redis full"
REDIS_EVICTS = "Redis evicts"
CONNECTIONS_CUT = "connections cut"
REPLIES_LOST = "replies lost"
DATABASE_KILLED = "database killed"
SESSIONS_CUT = "database sessions cut"

REQUESTS_WAIT = "waits after verifying"
RECEIVERS_FAIL = "receivers fail"
HIDDEN_COMMITS = "commits behind Django"
REQUESTS_INTERRUPTED = "requests interrupted"
CLIENTS_GO_AWAY = "clients go away"
WORKERS_FORK = "forks beside threads"
SMALL_POOL = "pool of 4"
DEADLOCKS = "deadlocks"

SITE_FAULTS = (WORKER_KILLED, CLOCK_STEPPED)
REDIS_FAULTS = (
    REDIS_KILLED,
    REDIS_PAUSED,
    REDIS_FLUSHED,
    REDIS_FAILED_OVER,
    REDIS_FULL,
    REDIS_EVICTS,
    CONNECTIONS_CUT,
    REPLIES_LOST,
)
DATABASE_FAULTS = (DATABASE_KILLED, SESSIONS_CUT)

DIRECT_REQUEST_FAULTS = (REQUESTS_WAIT, RECEIVERS_FAIL, HIDDEN_COMMITS, REQUESTS_INTERRUPTED)
HTTP_REQUEST_FAULTS = (CLIENTS_GO_AWAY, WORKERS_FORK)
REQUEST_FAULTS = (*DIRECT_REQUEST_FAULTS, *HTTP_REQUEST_FAULTS, SMALL_POOL, DEADLOCKS)
"""Those with which the site misbehaves inside a request, one of ten. None forgets anything."""
OF_ANY_CACHE = DIRECT_REQUEST_FAULTS + HTTP_REQUEST_FAULTS


@dataclass(frozen=True)
class Setup:
    """A way to configure the cache and its store."""

    name: str
    cache: dict[str, Any]
    faults: tuple[str, ...]
    promises: frozenset[str]
    """The faults under which no token may be accepted twice."""

    persistent: bool = False
    replicated: bool = False
    uses_redis: bool = True
    database: str = "PostgreSQL"
    workers: int | None = None
    """How many processes may serve requests, if only so many share a memory."""


SETUPS = (
    Setup(
        "plain",
        # No TTL, as if all tokens lived longer than it.
        {"BACKEND": REDIS, "LOCATION": "default", "TTL": 0},
        SITE_FAULTS + REDIS_FAULTS + DATABASE_FAULTS + OF_ANY_CACHE,
        frozenset(
            {
                *OF_ANY_CACHE,
                WORKER_KILLED,
                REDIS_PAUSED,
                REDIS_FULL,
                CONNECTIONS_CUT,
                REPLIES_LOST,
                *DATABASE_FAULTS,
            }
        ),
    ),
    Setup(
        "guaranteed",
        {
            "BACKEND": REDIS,
            "LOCATION": "default",
            "TTL": SHORT_LIFETIME + 2 * LEEWAY + 2 * STEP,
            "COLD_START": "refuse",
            "OPTIONS": {"replicas": 1, "replica_timeout": 0.1},
        },
        SITE_FAULTS + REDIS_FAULTS + DATABASE_FAULTS + OF_ANY_CACHE,
        # No set-up survives evictions: they are the wrong maxmemory-policy.
        frozenset(SITE_FAULTS + REDIS_FAULTS + DATABASE_FAULTS + OF_ANY_CACHE) - {REDIS_EVICTS},
        persistent=True,
        replicated=True,
    ),
    Setup(
        "database",
        {
            "BACKEND": DATABASE,
            "LOCATION": "default",
            "TTL": SHORT_LIFETIME + 2 * LEEWAY + 2 * STEP,
        },
        (*SITE_FAULTS, *DATABASE_FAULTS, *OF_ANY_CACHE, SMALL_POOL),
        frozenset((*SITE_FAULTS, *DATABASE_FAULTS, *OF_ANY_CACHE, SMALL_POOL)),
        uses_redis=False,
    ),
    Setup(
        "memory",
        {"BACKEND": MEMORY, "TTL": 0},
        OF_ANY_CACHE,
        frozenset(OF_ANY_CACHE),
        uses_redis=False,
        workers=1,
    ),
    Setup(
        "SQLite",
        {"BACKEND": DATABASE, "LOCATION": "default", "TTL": 0},
        # A view that waits or forks in a transaction holds up the one writer.
        (RECEIVERS_FAIL, HIDDEN_COMMITS, REQUESTS_INTERRUPTED, CLIENTS_GO_AWAY),
        frozenset(REQUEST_FAULTS),
        uses_redis=False,
        database="SQLite",
    ),
    Setup(
        "MariaDB",
        {"BACKEND": DATABASE, "LOCATION": "default", "TTL": 0},
        (*DIRECT_REQUEST_FAULTS, CLIENTS_GO_AWAY, DEADLOCKS),
        frozenset(REQUEST_FAULTS),
        uses_redis=False,
        database="MariaDB",
    ),
)
