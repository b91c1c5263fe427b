"""One run: one set-up, one fault, so many tokens."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .databases import Database, PostgreSQL
from .faults import FAULTS, strike
from .oracle import judge
from .setups import DATABASE_FAULTS, REQUEST_FAULTS, SMALL_POOL, Setup
from .site import Site

CLIENTS = 4
MANY_CLIENTS = 8
"""More than a small pool has connections."""

SETTLING = 90.0
"""Seconds that a run may take beyond what its tokens need, before it is ended."""


@dataclass(frozen=True)
class Plan:
    """How much is done in a run."""

    tokens: int
    rate: float
    """The most tokens in a second."""

    http: bool = False
    copies: int = 1
    """How many clients send a token at the same time as its owner."""

    delay: float = 0.001
    """Of the link to a replica, in seconds."""

    late: float = 3.0
    """Seconds after which a token has been replayed once more."""

    slowest: float = 150.0
    """The fewest tokens in a second, or the run is ended."""


def run(
    setup: Setup, fault: str, database: Database, folder: Path, plan: Plan
) -> dict[str, Any] | None:
    """
    Let a fault befall a set-up while tokens are sent, and return what the oracle says. None if
    there is no server that could fail so.
    """
    if fault in DATABASE_FAULTS and not isinstance(database, PostgreSQL):
        return None
    if fault == SMALL_POOL and not isinstance(database, PostgreSQL):
        return None
    random.seed(f"{setup.name} {fault}")
    begun = time.monotonic()
    clients = MANY_CLIENTS if fault == SMALL_POOL else CLIENTS
    if not plan.http:
        clients = setup.workers or clients
    with Site(setup, fault, database, folder / "site", delay=plan.delay) as site:
        limit = plan.tokens / plan.slowest + SETTLING
        site.start(
            tokens=plan.tokens,
            clients=clients,
            copies=min(plan.copies, clients - 1),
            http=plan.http,
            rate=plan.rate,
            late=plan.late,
            limit=limit,
        )
        faults = _torture(site, fault, limit, clients)
        verdict = judge(site.state, database.audited(), fault)
    return {
        "setup": setup.name,
        "fault": fault,
        "through": "HTTP" if plan.http else "direct",
        "faults": faults,
        "promised": fault in setup.promises,
        "delay": plan.delay,
        "seconds": round(time.monotonic() - begun, 1),
        **asdict(verdict),
    }


def _torture(site: Site, fault: str, limit: float, clients: int) -> int:
    deadline = time.monotonic() + limit + 15
    if fault in REQUEST_FAULTS:
        while site.is_busy() and time.monotonic() < deadline:
            site.replace_crashed()
            time.sleep(0.1)
        # A pool is too small for all requests.
        return sum(site.state.requests if fault == SMALL_POOL else site.state.misbehaved)
    kind, times = FAULTS[fault], 0
    # Not before there is something to forget, and not again before something was done.
    struck_at = site.state.tokens // 10 - 1
    while site.is_busy() and time.monotonic() < deadline:
        reached = min(site.state.position[:clients])
        # The last replays come when nothing fails any more, so that every token is asked for.
        if struck_at < reached < site.state.tokens:
            times += strike(kind, site)
            struck_at = reached
        elif reached <= struck_at:
            time.sleep(0.02)
            continue
        _sleep_while_busy(site, kind.pause * random.uniform(0.5, 1.5))
    return times


def _sleep_while_busy(site: Site, seconds: float) -> None:
    until = time.monotonic() + seconds
    while site.is_busy() and (left := until - time.monotonic()) > 0:
        time.sleep(min(0.1, left))
