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
from .setups import DATABASE_FAULTS, REDIS_FAILED_OVER, Setup
from .site import Site

CLIENTS = 4
SETTLING = 90.0
"""Seconds that a run may take beyond what its tokens need, before it is ended."""


@dataclass(frozen=True)
class Plan:
    """How much is done in a run."""

    tokens: int
    rate: float
    """The most tokens in a second."""

    http: bool = False
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
    random.seed(f"{setup.name} {fault}")
    begun = time.monotonic()
    with Site(setup, fault, database, folder / "site", delay=plan.delay) as site:
        limit = plan.tokens / plan.slowest + SETTLING
        site.start(
            tokens=plan.tokens,
            clients=CLIENTS,
            copies=CLIENTS - 1 if plan.http else 1,
            http=plan.http,
            rate=plan.rate,
            late=plan.late,
            limit=limit,
        )
        faults = _torture(site, fault, limit)
        verdict = judge(site.state, database.audited(), forgets=fault == REDIS_FAILED_OVER)
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


def _torture(site: Site, fault: str, limit: float) -> int:
    kind, times = FAULTS[fault], 0
    deadline = time.monotonic() + limit + 15
    # Once there is something to forget.
    while min(site.state.position[:CLIENTS]) < site.state.tokens // 10:
        if time.monotonic() > deadline or not site.is_busy():
            break
        time.sleep(0.02)
    while site.is_busy() and time.monotonic() < deadline:
        # The last replays come when nothing fails any more, so that every token is asked for.
        if min(site.state.position[:CLIENTS]) < site.state.tokens:
            times += strike(kind, site)
        _sleep_while_busy(site, kind.pause * random.uniform(0.5, 1.5))
    return times


def _sleep_while_busy(site: Site, seconds: float) -> None:
    until = time.monotonic() + seconds
    while site.is_busy() and (left := until - time.monotonic()) > 0:
        time.sleep(min(0.1, left))
