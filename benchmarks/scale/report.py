"""The tables of docs/topics/scale.md, from the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .capacity import CLIENTS, LOADS, needs
from .shards import SHARDS

PAGE = Path(__file__).parents[2] / "docs" / "topics" / "scale.md"
MARKERS = "<!-- scale: {} -->", "<!-- end of scale: {} -->"
GIGABYTE = 2**30


def tables(figures: dict[str, Any]) -> dict[str, str]:
    """Return the tables, by the name of their place."""
    made = {
        "tags": _tags(figures["shards"]["tags"]),
        "shards": _shards(figures["shards"]["spreads"]),
        "regions": _regions(figures["regions"]),
    }
    if figures["capacity"] is not None:
        made["measured"] = _measured(figures["capacity"])
        made["needs"] = _needs(figures["capacity"])
    return made


def render(made: dict[str, str]) -> None:
    """Write the tables into the page, between the markers."""
    page = PAGE.read_text()
    for name, text in made.items():
        first, last = (marker.format(name) for marker in MARKERS)
        before, _, rest = page.partition(first)
        _, found, after = rest.partition(last)
        if not found:
            raise ValueError(f"{PAGE.name} has no place for {name!r}.")
        page = f"{before}{first}\n{text}\n{last}{after}"
    PAGE.write_text(page)


def _measured(capacity: dict[str, Any]) -> str:
    rows = [
        ("`MEMORY USAGE` of a key", f"{capacity['bytes of a key']:.0f} bytes"),
        (
            "the same, in a cluster, where the key has a tag",
            f"{capacity['bytes of a key in a cluster']:.0f} bytes",
        ),
        ("growth of the server per key", f"{capacity['bytes with the table']:.0f} bytes"),
    ]
    for depth, rate in capacity["reserves"].items():
        what = f"reserves per second, {CLIENTS} clients, {depth} in a packet"
        rows.append((what, "not measured" if rate is None else f"{rate:,.0f}"))
    lines = [f"| Redis {capacity['Redis']}, one node | |", "|---|--:|"]
    return "\n".join([*lines, *(f"| {what} | {value} |" for what, value in rows)])


def _needs(capacity: dict[str, Any]) -> str:
    lines = [
        "| tokens per second | lifetime | live entries | memory | nodes by memory | by rate |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for rate, lifetime in LOADS:
        need = needs(rate, lifetime, capacity)
        lines.append(
            f"| {rate:,} | {lifetime:,} s | {need['live'] / 1e6:,.1f} million "
            f"| {need['memory'] / GIGABYTE:,.1f} GB | {need['nodes by memory']:,.0f} "
            f"| {need['nodes by rate']:,.0f} |"
        )
    return "\n".join(lines)


def _tags(tags: dict[str, Any]) -> str:
    lines = [
        "| shards | tags on a shard: mean | fewest | most | the fullest over the mean |",
        "|--:|--:|--:|--:|--:|",
    ]
    for shards, counted in tags.items():
        lines.append(
            f"| {shards} | {counted['mean']:.1f} | {counted['fewest']} | {counted['most']} "
            f"| {counted['most'] / counted['mean']:.2f} |"
        )
    return "\n".join(lines)


def _shards(spreads: dict[str, Any]) -> str:
    head = " | ".join(f"{shards} shards" for shards in SHARDS)
    lines = [f"| the fullest shard over the mean | {head} |", "|---|" + "--:|" * len(SHARDS)]
    for name, ratios in spreads.items():
        cells = " | ".join(f"{ratios[str(shards)]:.2f}" for shards in SHARDS)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def _regions(regions: dict[str, Any]) -> str:
    columns = [
        "design",
        "accepted twice",
        "most for one token",
        "honest clients without work",
        "held up by a partition",
        "asked another region",
        "mean wait",
        "longest wait",
    ]
    lines = [f"| {' | '.join(columns)} |", "|---|" + "--:|" * (len(columns) - 1)]
    for name, said in regions.items():
        cells = [
            name,
            f"{said['accepted twice']:,}",
            f"{said['most for one token']}",
            f"{said['without work']:,}",
            f"{said['held up']:.1%}",
            f"{said['asked elsewhere']:.0%}",
            f"{said['mean wait'] * 1000:.0f} ms",
            f"{said['longest wait']:.1f} s",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
