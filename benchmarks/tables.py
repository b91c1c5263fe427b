"""The results as tables, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .targets import verdicts

Row = Mapping[str, str]

TITLES = {
    "memory": "In memory",
    "threads": "In memory, threads",
    "memory size": "In memory, size",
    "pauses": "In memory, pauses",
    "redis": "Redis",
    "database": "Database",
    "request": "A whole request",
}
"""What a section is called in its headings, other than by its name."""


def tables(results: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Row]]]:
    """Yield the title and the rows of each table, the targets first."""
    yield "Targets", verdicts(results)
    for name, section in results.items():
        if name != "machine":
            yield from _section(TITLES.get(name, name.capitalize()), section)


def _section(title: str, section: Mapping[str, Any] | None) -> Iterator[tuple[str, list[Row]]]:
    if section is None:
        yield title, [{"": "not measured: no server"}]
        return
    for name, found in section.items():
        if not isinstance(found, Mapping):
            found = {title: found}
        yield (
            f"{title}: {name}",
            [{"": row, **_cells(figures)} for row, figures in found.items()],
        )


def _cells(figures: Any) -> dict[str, str]:
    if not isinstance(figures, Mapping):
        return {"figure": f"{figures:,.4g}" if figures < 1000 else f"{figures:,.0f}"}
    if "ratio" in figures:
        return {"time": _time(figures["ns"]), "ratio": f"{figures['ratio']:.2f}"}
    return {
        name: f"{value:.0f}" if value == int(value) else f"{value:.2f}"
        for name, value in figures.items()
    }


def _time(nanoseconds: float) -> str:
    if nanoseconds < 10_000:
        return f"{nanoseconds:,.0f} ns"
    return f"{nanoseconds / 1000:,.1f} us"


def as_text(rows: Sequence[Row]) -> str:
    """Return a table for a terminal."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def as_markdown(rows: Sequence[Row]) -> str:
    """Return a table in Markdown."""
    header = list(rows[0])
    lines = [header, ["---", *("---:" for _ in header[1:])]]
    lines += [list(row.values()) for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
