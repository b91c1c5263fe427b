"""The set-ups that are tortured, and the faults that befall them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .issuer import LEEWAY

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
    options: dict[str, Any] = field(default_factory=dict)


SETUPS = (
    Setup(
        "plain",
        # No TTL, as if all tokens lived longer than it.
        {"BACKEND": REDIS, "LOCATION": "default", "TTL": 0},
        SITE_FAULTS + REDIS_FAULTS + DATABASE_FAULTS,
        frozenset(
            {
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
        SITE_FAULTS + REDIS_FAULTS + DATABASE_FAULTS,
        # No set-up survives evictions: they are the wrong maxmemory-policy.
        frozenset(SITE_FAULTS + REDIS_FAULTS + DATABASE_FAULTS) - {REDIS_EVICTS},
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
        SITE_FAULTS + DATABASE_FAULTS,
        frozenset(SITE_FAULTS + DATABASE_FAULTS),
        uses_redis=False,
    ),
)
