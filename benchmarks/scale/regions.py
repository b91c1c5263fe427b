"""
More than one region, simulated: who accepts a token that is sent to several of them at once,
again a little later, and while the regions cannot reach each other.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Protocol

from jti_replay.reservation.digests import jti_digest

REGIONS = 3
TOKENS = 100_000
RATE = 1000.0
"""Tokens in a second."""

ONE_WAY = 0.04
"""Seconds that a message takes from one region to another."""

PARTITION_EVERY, PARTITION_LASTS = 20.0, 3.0
"""Seconds: how often one region is cut off from the others, and for how long."""

COPIES = 2
"""Requests with a token at the same time as its honest client, each to any region."""

PATIENCE = 10.0
NEAR_HOME = 0.9
"""The share of an issuer's clients that are in the region of their issuer."""


@dataclass(frozen=True)
class Token:
    """A token, and where its issuer and its honest client are at home."""

    number: int
    digest: bytes
    issuer: int
    client: int


class Network:
    """Which regions reach each other, and when a message arrives."""

    def __init__(self, rng: random.Random, end: float) -> None:
        self._cuts: list[tuple[float, float, int]] = []
        start = PARTITION_EVERY / 2
        while start < end:
            self._cuts.append((start, start + PARTITION_LASTS, rng.randrange(REGIONS)))
            start += PARTITION_EVERY

    def reaches(self, one: int, other: int, now: float) -> bool:
        """Return whether two regions reach each other."""
        return one == other or not self._cut(one, other, now)

    def arrival(self, one: int, other: int, now: float) -> float:
        """Return when what is replicated arrives: after the partition, if there is one."""
        cut = self._cut(one, other, now)
        return (cut or now) + ONE_WAY

    def _cut(self, one: int, other: int, now: float) -> float | None:
        for start, end, region in self._cuts:
            if start <= now < end and region in (one, other):
                return end
        return None


class Design(Protocol):
    """A way to run the guard in several regions."""

    def serve(self, token: Token, region: int, now: float) -> tuple[str, float]:
        """Answer a request: "accepted", "replayed" or "unavailable", and the time it took."""

    def region_for(self, token: Token) -> int:
        """Return where the honest client sends its token."""


class Alone:
    """Each region has a cache of its own, and knows nothing of the others."""

    def __init__(self, network: Network) -> None:
        self._seen: set[tuple[int, int]] = set()

    def region_for(self, token: Token) -> int:
        return token.client

    def serve(self, token: Token, region: int, now: float) -> tuple[str, float]:
        if (token.number, region) in self._seen:
            return "replayed", 0.0
        self._seen.add((token.number, region))
        return "accepted", 0.0


class Replicated:
    """Each region writes to its own cache, which is replicated asynchronously to the others."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._known: dict[tuple[int, int], float] = {}

    def region_for(self, token: Token) -> int:
        return token.client

    def serve(self, token: Token, region: int, now: float) -> tuple[str, float]:
        if self._known.get((token.number, region), now + 1) <= now:
            return "replayed", 0.0
        for other in range(REGIONS):
            arrival = now if other == region else self._network.arrival(region, other, now)
            held = self._known.get((token.number, other), arrival)
            self._known[token.number, other] = min(held, arrival)
        return "accepted", 0.0


class Audience:
    """Each region has an audience of its own: a token is good in one region only."""

    def __init__(self, network: Network) -> None:
        self._seen: set[int] = set()

    def region_for(self, token: Token) -> int:
        return token.client

    def serve(self, token: Token, region: int, now: float) -> tuple[str, float]:
        if region != token.client or token.number in self._seen:
            return "replayed", 0.0  # Or rather: for another audience.
        self._seen.add(token.number)
        return "accepted", 0.0


class Homed:
    """Each token has one home region, and the others ask there."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._seen: set[int] = set()

    def region_for(self, token: Token) -> int:
        return token.client

    def home_of(self, token: Token) -> int:
        """Return the region that decides on a token."""
        raise NotImplementedError

    def serve(self, token: Token, region: int, now: float) -> tuple[str, float]:
        home = self.home_of(token)
        if not self._network.reaches(region, home, now):
            return "unavailable", 0.0
        took = 0.0 if home == region else 2 * ONE_WAY
        if token.number in self._seen:
            return "replayed", took
        self._seen.add(token.number)
        return "accepted", took


class ByDigest(Homed):
    """The home is a function of the digest."""

    def home_of(self, token: Token) -> int:
        return token.digest[1] % REGIONS


class ByIssuer(Homed):
    """The home is that of the issuer."""

    def home_of(self, token: Token) -> int:
        return token.issuer


DESIGNS: dict[str, type[Alone | Replicated | Audience | ByDigest | ByIssuer]] = {
    "a cache in each region": Alone,
    "asynchronous replication": Replicated,
    "an audience per region": Audience,
    "routing by digest": ByDigest,
    "one home region per issuer": ByIssuer,
}


def measure(number: int = TOKENS) -> dict[str, Any]:
    """Return what the oracle says of each design, for so many tokens."""
    return {name: _simulate(design, number) for name, design in DESIGNS.items()}


def _simulate(kind: type[Any], total: int) -> dict[str, float]:
    rng = random.Random(1)  # The same for all designs.
    design: Design = kind(Network(rng, total / RATE + PATIENCE))
    arrivals: list[tuple[float, int, int, bool]] = []
    tokens = []
    for number in range(total):
        issuer = rng.randrange(REGIONS)
        client = issuer if rng.random() < NEAR_HOME else rng.randrange(REGIONS)
        token = Token(number, jti_digest(str(issuer), str(number)), issuer, client)
        tokens.append(token)
        at = number / RATE
        arrivals.append((at, number, design.region_for(token), True))
        for _ in range(COPIES):
            moment = at + rng.expovariate(1 / 0.02)
            arrivals.append((moment, number, rng.randrange(REGIONS), False))
        arrivals.append((at + rng.uniform(1, 5), number, rng.randrange(REGIONS), False))
    return _judge(design, tokens, arrivals)


def _judge(
    design: Design, tokens: list[Token], arrivals: list[tuple[float, int, int, bool]]
) -> dict[str, float]:
    accepted: Counter[int] = Counter()
    first: dict[int, float] = {}
    waits: dict[int, float] = {}
    held_up: set[int] = set()
    elsewhere = 0
    arrivals.sort(reverse=True)
    while arrivals:
        now, number, region, honest = arrivals.pop()
        answer, took = design.serve(tokens[number], region, now)
        accepted[number] += answer == "accepted"
        if not honest:
            continue
        since = first.setdefault(number, now)
        if answer != "unavailable":
            waits[number] = now + took - since
            elsewhere += took > 0
        elif now - since < PATIENCE:
            held_up.add(number)
            _insert(arrivals, (now + 0.2, number, region, True))
    return {
        "accepted twice": sum(times > 1 for times in accepted.values()),
        "most for one token": max(accepted.values()),
        "without work": sum(not accepted[token.number] for token in tokens),
        "held up": len(held_up) / len(tokens),
        "asked elsewhere": elsewhere / len(tokens),
        "mean wait": fmean(waits[number] for number in waits if number not in held_up),
        "longest wait": max(waits.values()),
    }


def _insert(
    arrivals: list[tuple[float, int, int, bool]], one: tuple[float, int, int, bool]
) -> None:
    # In descending order, and near the end.
    at = len(arrivals)
    while at and arrivals[at - 1] < one:
        at -= 1
    arrivals.insert(at, one)
