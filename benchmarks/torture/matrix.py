"""Which runs there are: a few in a minute, or all of them."""

from __future__ import annotations

from collections.abc import Iterator

from . import setups
from .run import Plan
from .setups import SETUPS, Setup

TOKENS = 100_000
"""For each fault, where the guarantees have been bought."""

FASTER = 1e9


def quick() -> Iterator[tuple[Setup, str, Plan]]:
    """Give each kind of fault once, and both transports: a minute or two in all."""
    _, guaranteed, database, memory, sqlite, mariadb = SETUPS
    direct = Plan(400, 350, late=0.7)
    http = Plan(250, 200, late=0.7, http=True, copies=3)
    for fault in guaranteed.faults:
        if fault in setups.REQUEST_FAULTS:
            continue
        over_http = fault in (setups.WORKER_KILLED, setups.REDIS_KILLED)
        yield guaranteed, fault, http if over_http else direct
    yield database, setups.WORKER_KILLED, http
    yield database, setups.DATABASE_KILLED, direct
    yield guaranteed, setups.REQUESTS_WAIT, direct
    yield database, setups.RECEIVERS_FAIL, direct
    yield sqlite, setups.HIDDEN_COMMITS, direct
    yield memory, setups.REQUESTS_INTERRUPTED, direct
    yield guaranteed, setups.CLIENTS_GO_AWAY, http
    yield memory, setups.WORKERS_FORK, http
    yield database, setups.SMALL_POOL, http
    yield mariadb, setups.DEADLOCKS, direct


def full(tokens: int = TOKENS) -> Iterator[tuple[Setup, str, Plan]]:
    """Give every set-up each of its faults, through both transports."""
    for setup in SETUPS:
        share = tokens if setup.name == "guaranteed" else max(2000, tokens // 10)
        for fault in setup.faults:
            if fault in setups.REQUEST_FAULTS:
                yield setup, fault, _in_requests(fault, tokens)
                continue
            yield setup, fault, Plan(share, FASTER)
            yield setup, fault, Plan(max(300, tokens // 200), FASTER, http=True, copies=3)
    # How much a failover forgets depends on how far the replica is away.
    for delay in (0.005, 0.02):
        plan = Plan(max(2000, tokens // 10), FASTER, delay=delay)
        yield SETUPS[0], setups.REDIS_FAILED_OVER, plan


def _in_requests(fault: str, tokens: int) -> Plan:
    over_http = fault in (*setups.HTTP_REQUEST_FAULTS, setups.SMALL_POOL)
    # With slow machines they take their time: no fault waits for them.
    return Plan(tokens, FASTER, http=over_http, slowest=5)
