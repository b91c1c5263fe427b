"""What the caches and the decorator are to hold, each with what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .database_cost import RESERVE as DATABASE_RESERVE
from .designs import LOCMEM, OURS, OURS_FLOATS
from .framework_cost import INTEGRATION
from .kind_cost import CASES as KINDS
from .pauses import CONTROL
from .redis_cost import ARESERVE, RELEASE, RESERVE, VOUCHED
from .request_cost import RESERVE as RESERVE_JTI

SIZES = (1_000, 100_000, 1_000_000)
LARGEST = 4_000_000
Results = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """A limit, in words and as a number, and how to read what was measured."""

    name: str
    unit: str
    limit: float
    measured: Callable[[Results], float]
    at_least: bool = False
    control: Callable[[Results], float] | None = None
    """What the machine does to a measurement by itself: over the limit, it proves nothing."""

    def verdict(self, results: Results) -> dict[str, str]:
        """Return the row that tells whether it was held."""
        try:
            value = self.measured(results)
        except (IndexError, KeyError, TypeError, StopIteration):
            # A smaller run, or one without a server, has no figure for it.
            measured, outcome = "-", "not measured"
        else:
            is_held = value >= self.limit if self.at_least else value <= self.limit
            measured = f"{value:.4g}{self.unit}"
            outcome = "held" if is_held else "MISSED"
            if not is_held and self.control and self.control(results) > self.limit:
                outcome = "unclear: the control misses it too"
        limit = f"{'>=' if self.at_least else '<='} {self.limit:g}{self.unit}"
        return {"target": self.name, "limit": limit, "measured": measured, "": outcome}


def _new(live: int, name: str, figure: str = "ratio") -> Callable[[Results], float]:
    def read(results: Results) -> float:
        value: float = results["memory"][f"new, {live:,} live"][name][figure]
        return value

    return read


def _faster_than_locmem(live: int, name: str) -> Callable[[Results], float]:
    return lambda results: _new(live, LOCMEM)(results) / _new(live, name)(results)


def _flatness(results: Results) -> float:
    ratios = [_new(live, OURS)(results) for live in (*SIZES, LARGEST)]
    middle = (max(ratios) + min(ratios)) / 2
    return 100 * (max(ratios) - middle) / middle


def _bytes_per_entry(share: int) -> Callable[[Results], float]:
    def read(results: Results) -> float:
        value: float = list(results["memory size"].values())[share][OURS]
        return value

    return read


def _pauses(figure: str, name: str = OURS) -> Callable[[Results], float]:
    def read(results: Results) -> float:
        *_, largest = results["pauses"].values()
        value: float = largest[name][figure]
        return value

    return read


def _at(*path: str) -> Callable[[Results], float]:
    def read(results: Any) -> float:
        for key in path:
            results = results[key]
        return float(results)

    return read


def _added(*path: str) -> Callable[[Results], float]:
    return lambda results: 100 * (_at(*path)(results) - 1)


TARGETS = (
    *(
        Target(f"in-memory reserve / floor, {live:,} live{kind}", "x", limit, _new(live, name))
        for name, kind, limit in ((OURS, "", 3.3), (OURS_FLOATS, ", exp with a fraction", 4.0))
        for live in (*SIZES, LARGEST)
    ),
    *(
        Target(
            f"LocMemCache.add / in-memory reserve, {live:,} live{kind}",
            "x",
            1.6,
            _faster_than_locmem(live, name),
            at_least=True,
        )
        for name, kind in ((OURS, ""), (OURS_FLOATS, ", exp with a fraction"))
        for live in SIZES
    ),
    Target("spread of the ratio to the floor, 1,000 to 4,000,000 live", "%", 25, _flatness),
    *(
        Target(f"bytes per live entry, {share} full", "", limit, _bytes_per_entry(at))
        for at, (share, limit) in enumerate((("all", 32), ("half", 32), ("an eighth", 45)))
    ),
    Target(
        "p99.99 of a reserve, with expiry",
        " us",
        150,
        _pauses("p99.99 us"),
        control=_pauses("p99.99 us", CONTROL),
    ),
    Target("operations over 1 ms that come again in each run", "", 0, _pauses("repeated")),
    Target("Redis: round trips of a reserve", "", 1, _at("redis", "round trips", "reserve")),
    Target("Redis: round trips of a release", "", 1, _at("redis", "round trips", "release")),
    Target("Redis: reserve / raw SET", "x", 1.1, _at("redis", "reserve", RESERVE, "ratio")),
    Target(
        "Redis: round trips of a reserve, COLD_START refuse",
        "",
        1,
        _at("redis", "round trips", "reserve, COLD_START refuse"),
    ),
    Target(
        "Redis: reserve, COLD_START refuse / raw SET",
        "x",
        1.1,
        _at("redis", "reserve", VOUCHED, "ratio"),
    ),
    Target("Redis: release / raw SET", "x", 1.1, _at("redis", "release", RELEASE, "ratio")),
    Target(
        "Redis: areserve, 100 tasks / sync raw SET",
        "x",
        1.25,
        _at("redis", "reserve, 100 tasks", ARESERVE, "ratio"),
    ),
    *(
        Target(
            f"{name}: reserve / raw INSERT, autocommit",
            "x",
            limit,
            _at("database", f"{name}, autocommit", DATABASE_RESERVE, "ratio"),
        )
        for name, limit in (("SQLite", 2.5), ("PostgreSQL", 1.3))
    ),
    Target("Redis: bytes per key", "", 120, _at("redis", "bytes per key")),
    *(
        Target(
            f"decorator, on a request that verifies {algorithm}",
            "%",
            5,
            _added("request", algorithm, RESERVE_JTI, "ratio"),
        )
        for algorithm in ("HS256", "RS256")
    ),
    Target(
        "decorator, on a request that verifies a DPoP proof and its access token",
        "%",
        10,
        _added("request", "DPoP", RESERVE_JTI, "ratio"),
    ),
    *(
        Target(
            f"decorator, on a request that verifies a {kind}",
            "%",
            5,
            _added("request", kind, RESERVE_JTI, "ratio"),
        )
        for kind in KINDS
    ),
    *(
        Target(
            f"{framework}: the integration / the decorator",
            "x",
            1.05,
            _at("request", framework, INTEGRATION, "ratio"),
        )
        for framework in ("REST framework", "django-ninja")
    ),
    Target("stretch: in-memory reserve / floor, 1,000,000 live", "x", 2.5, _new(10**6, OURS)),
)


def verdicts(results: Results) -> list[dict[str, str]]:
    """Return a row for each target."""
    return [target.verdict(results) for target in TARGETS]
