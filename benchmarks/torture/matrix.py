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
    """Give each kind of fault once, and both transports: a minute in all."""
    _, guaranteed, database = SETUPS
    direct = Plan(400, 350, late=0.7)
    http = Plan(250, 200, late=0.7, http=True)
    for fault in guaranteed.faults:
        over_http = fault in (setups.WORKER_KILLED, setups.REDIS_KILLED)
        yield guaranteed, fault, http if over_http else direct
    yield database, setups.WORKER_KILLED, http
    yield database, setups.DATABASE_KILLED, direct


def full(tokens: int = TOKENS) -> Iterator[tuple[Setup, str, Plan]]:
    """Give every set-up each of its faults, through both transports."""
    for setup in SETUPS:
        for fault in setup.faults:
            share = tokens if setup.name == "guaranteed" else max(2000, tokens // 10)
            yield setup, fault, Plan(share, FASTER)
            yield setup, fault, Plan(max(300, tokens // 200), FASTER, http=True)
    # How much a failover forgets depends on how far the replica is away.
    for delay in (0.005, 0.02):
        plan = Plan(max(2000, tokens // 10), FASTER, delay=delay)
        yield SETUPS[0], setups.REDIS_FAILED_OVER, plan
