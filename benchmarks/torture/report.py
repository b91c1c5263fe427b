"""The tables of docs/topics/reliability.md, from the figures of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .setups import REQUEST_FAULTS

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "benchmarks" / "results" / "reliability.json"
PAGE = ROOT / "docs" / "topics" / "reliability.md"

MARKERS = "<!-- torture: {} -->", "<!-- end of torture: {} -->"


COLUMNS = (
    "fault",
    "through",
    "tokens",
    "requests",
    "faults",
    "accepted twice",
    "refused for good",
    "needed a new token",
    "longest stall",
)
REQUEST_COLUMNS = (
    "fault",
    "set-up",
    "through",
    "tokens",
    "requests",
    "faults",
    "accepted twice",
    "hangs",
    "refused for good",
    "longest stall",
)
SETUP_TITLES = {
    "memory": "in-memory",
    "plain": "plain",
    "guaranteed": "guaranteed",
    "database": "`DatabaseCache`, PostgreSQL",
    "SQLite": "`DatabaseCache`, SQLite",
    "MariaDB": "`DatabaseCache`, MariaDB",
}
SHORTEST_DELAY = 0.001


def is_as_promised(result: dict[str, Any]) -> bool:
    """Return whether a run kept what its set-up promises."""
    if result["promised"] and result["accepted_twice"]:
        return False
    wrong = ("lost_work", "unexplained", "unfinished", "hangs")
    return not any(result.get(name) for name in wrong)


def line(result: dict[str, Any]) -> str:
    """Return what is said of one run, on one line."""
    refused = sum(result["refused"].values()) + result["unexplained"]
    said = (
        f"{result['setup']:<10}  {result['fault']:<22} {result['through']:<6} "
        f"{result['tokens']:>7,} tokens  {result['requests']:>8,} requests  "
        f"{result['faults']:>6,} faults  {result['accepted_twice']:>5,} accepted twice  "
        f"{result['hangs']} hangs  {refused:>3} refused for good  "
        f"{result['stall']:>5.1f} s longest stall"
    )
    return said if is_as_promised(result) else f"{said}  NOT AS PROMISED: {result}"


def write(path: Path, machine: dict[str, Any], results: list[dict[str, Any]]) -> None:
    """Write the figures of some runs, in the place of earlier ones of the same runs."""
    figures: dict[str, Any] = {"results": []}
    if path.exists():
        figures = json.loads(path.read_text())
    kept = {_name(result): result for result in figures["results"]}
    kept |= {_name(result): result for result in results}
    figures = {"machine": machine, "results": list(kept.values())}
    path.write_text(json.dumps(figures, indent=1) + "\n")


def _name(result: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(result[part] for part in ("setup", "fault", "through", "delay"))


def render() -> None:
    """Write the figures into the page, between the markers."""
    PAGE.write_text(rendered(PAGE.read_text(), json.loads(FIGURES.read_text())))


def rendered(page: str, figures: dict[str, Any]) -> str:
    """Return the page with these figures in its tables."""
    page = _between(page, "machine", _machine(figures["machine"]))
    results = figures["results"]
    for name in ("guaranteed", "database", "plain"):
        outside = [r for r in results if r["fault"] not in REQUEST_FAULTS]
        page = _between(page, name, _table([r for r in outside if r["setup"] == name]))
    inside = [r for r in results if r["fault"] in REQUEST_FAULTS]
    page = _between(page, "requests", _request_table(inside))
    page = _between(page, "refused", _causes(results))
    return _between(page, "failovers", _failovers(results))


def _machine(machine: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {value}" for name, value in machine.items())
    return f"Measured with {parts}."


def _table(results: list[dict[str, Any]]) -> str:
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        "|---|---|" + "--:|" * (len(COLUMNS) - 2),
    ]
    for result in results:
        if result["delay"] > SHORTEST_DELAY:
            continue
        refused = sum(result["refused"].values()) + result["unexplained"]
        cells = [
            result["fault"],
            result["through"],
            *(f"{result[name]:,}" for name in ("tokens", "requests", "faults")),
            f"{result['accepted_twice']:,}",
            f"{refused:,}",
            f"{result['renewed']:,}",
            f"{result['stall']:.1f} s",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _request_table(results: list[dict[str, Any]]) -> str:
    lines = [
        f"| {' | '.join(REQUEST_COLUMNS)} |",
        "|---|---|---|" + "--:|" * (len(REQUEST_COLUMNS) - 3),
    ]
    order = list(REQUEST_FAULTS)
    for result in sorted(results, key=lambda result: order.index(result["fault"])):
        refused = sum(result["refused"].values()) + result["unexplained"]
        counts = ("tokens", "requests", "faults", "accepted_twice", "hangs")
        cells = [
            result["fault"],
            SETUP_TITLES[result["setup"]],
            result["through"],
            *(f"{result[name]:,}" for name in counts),
            f"{refused:,}",
            f"{result['stall']:.1f} s",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _causes(results: list[dict[str, Any]]) -> str:
    lines = ["| cause | set-up | fault | clients |", "|---|---|---|--:|"]
    counted: dict[tuple[str, str, str], int] = {}
    for result in results:
        for cause, clients in result["refused"].items():
            key = cause, result["setup"], result["fault"]
            counted[key] = counted.get(key, 0) + clients
    for (cause, setup, fault), clients in sorted(counted.items()):
        lines.append(f"| {cause} | {setup} | {fault} | {clients:,} |")
    return "\n".join(lines)


def _failovers(results: list[dict[str, Any]]) -> str:
    lines = [
        "| set-up | delay of the link | failovers | tokens | accepted twice | per failover |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        if result["fault"] != "Redis failed over" or result["through"] != "direct":
            continue
        times = result["faults"] or 1
        lines.append(
            f"| {result['setup']} | {result['delay'] * 1000:g} ms | {result['faults']:,} "
            f"| {result['tokens']:,} | {result['accepted_twice']:,} "
            f"| {result['accepted_twice'] / times:.2f} |"
        )
    return "\n".join(lines)


def _between(page: str, name: str, text: str) -> str:
    first, last = (marker.format(name) for marker in MARKERS)
    before, _, rest = page.partition(first)
    _, found, after = rest.partition(last)
    if not found:
        raise ValueError(f"The page has no place for {name!r}.")
    return f"{before}{first}\n{text}\n{last}{after}"
