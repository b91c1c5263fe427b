"""The faults: each is done to a site once, again and again until the tokens are through."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis

from . import setups
from .databases import PostgreSQL

if TYPE_CHECKING:
    from .site import Site

LOSSES = {"cut request": 0.005, "cut reply": 0.01, "drop reply": 0.0005}

EVICTED = 20_000
"""Bytes that are to be evicted: a hundred keys, so that others stay, and mostly the marker."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, and the seconds between one time and the next."""

    strike: Callable[[Site], int]
    """Do it, and return how often that was."""

    pause: float


def kill_worker(site: Site) -> int:
    """Kill a worker with SIGKILL. Another one takes its place."""
    return site.kill_worker()


def step_clock(site: Site) -> int:
    """Step the clock of one worker, to the future or the past."""
    client = random.randrange(len(site.state.offsets))
    site.state.offsets[client] = random.uniform(-setups.STEP, setups.STEP)
    return 1


def kill_redis(site: Site) -> int:
    """Kill the primary with SIGKILL, and start it again with what is on its disk."""
    site.redis.primary.stop()
    time.sleep(random.uniform(0, 0.3))
    site.redis.primary.start()
    return 1


def pause_redis(site: Site) -> int:
    """Stop the primary for a while, shorter or longer than clients wait."""
    site.redis.primary.pause()
    time.sleep(random.uniform(0.05, 1.2))
    site.redis.primary.resume()
    return 1


def flush_redis(site: Site) -> int:
    """Delete all keys."""
    with site.redis.primary.client() as client:
        client.flushall()
    return 1


def fail_over(site: Site) -> int:
    """Kill the primary, and let the replica take its place."""
    site.redis.fail_over()
    return 1


def fill_redis(site: Site) -> int:
    """Let the primary have no memory left for a moment."""
    return _limit_memory(site, "noeviction", 0)


def evict(site: Site) -> int:
    """Let the primary drop keys at random to make room."""
    return _limit_memory(site, "allkeys-random", EVICTED)


def _limit_memory(site: Site, policy: str, too_much: int) -> int:
    with site.redis.primary.client() as client:
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", client.info()["used_memory"] - too_much)
        time.sleep(random.uniform(0.05, 0.3))
        client.config_set("maxmemory", 0)
    return 1


def cut_connections(site: Site) -> int:
    """Close all connections of clients from the server's side."""
    with site.redis.primary.client() as client:
        return int(client.client_kill_filter(_type="normal", skipme=True))


def lose_replies(site: Site) -> int:
    """Lose some of all messages, at random."""
    assert site.redis.proxy is not None
    before = site.lost_messages
    site.redis.proxy.lose(LOSSES)
    site.lost_messages = site.redis.proxy.lost()
    return site.lost_messages - before


def kill_database(site: Site) -> int:
    """Crash the database, and start it again."""
    assert isinstance(site.database, PostgreSQL)
    site.database.crash()
    time.sleep(random.uniform(0, 0.3))
    site.database.start()
    return 1


def cut_sessions(site: Site) -> int:
    """End all sessions of the database."""
    assert isinstance(site.database, PostgreSQL)
    site.database.cut_connections()
    return 1


FAULTS = {
    setups.WORKER_KILLED: Fault(kill_worker, 1.5),
    setups.CLOCK_STEPPED: Fault(step_clock, 0.1),
    setups.REDIS_KILLED: Fault(kill_redis, 1.5),
    setups.REDIS_PAUSED: Fault(pause_redis, 1.0),
    setups.REDIS_FLUSHED: Fault(flush_redis, 8.0),
    setups.REDIS_FAILED_OVER: Fault(fail_over, 1.5),
    setups.REDIS_FULL: Fault(fill_redis, 0.7),
    setups.REDIS_EVICTS: Fault(evict, 0.7),
    setups.CONNECTIONS_CUT: Fault(cut_connections, 0.2),
    setups.REPLIES_LOST: Fault(lose_replies, 0.2),
    setups.DATABASE_KILLED: Fault(kill_database, 2.0),
    setups.SESSIONS_CUT: Fault(cut_sessions, 0.5),
}


def strike(fault: Fault, site: Site) -> int:
    """Let a fault happen. One that is in its own way (a dead server) counts for nothing."""
    try:
        return fault.strike(site)
    except redis.RedisError:
        return 0
