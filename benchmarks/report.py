"""Puts the results into the documentation, between marks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .designs import LOCMEM, OURS
from .redis_cost import RESERVE
from .request_cost import RESERVE as RESERVE_JTI
from .tables import as_markdown, tables

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "topics" / "performance.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def render(results: Mapping[str, Any], document: Path = DOCUMENT) -> None:
    """
    Replace what stands between the marks of a document by the results.

    Raises :exc:`ValueError` if the document has no marks.
    """
    parts = [results["machine"]]
    parts += [f"### {title}\n\n{as_markdown(rows)}" for title, rows in tables(results)]
    _replace(document, "\n\n".join(parts))


def render_summary(results: Mapping[str, Any], document: Path = README) -> None:
    """
    Replace what stands between the marks of a document by a few sentences.

    Raises :exc:`ValueError` if the document has no marks, and :exc:`KeyError` if less than
    all has been measured.
    """
    new = results["memory"]["new, 1,000,000 live"]
    size, *_ = results["memory size"].values()
    redis, request = results["redis"], results["request"]
    added = max(request[name][RESERVE_JTI]["ratio"] - 1 for name in ("HS256", "RS256"))
    _replace(
        document,
        f"With a million live entries, an in-memory reserve takes {new[OURS]['ratio']:.1f} "
        f"times, and `LocMemCache.add` {new[LOCMEM]['ratio']:.1f} times, what a bare dict "
        f"under a lock does, which never forgets. It keeps {size[OURS]:.0f} bytes an "
        f"entry (LocMemCache: {size[LOCMEM]:.0f}), and never stops to grow or to sweep. A "
        "reserve in Redis is one round trip, and takes "
        f"{redis['reserve'][RESERVE]['ratio']:.2f} times the raw `SET`. To a request that "
        "verifies its bearer token with PyJWT anyway, the decorator with the in-memory cache "
        f"adds at most {max(0, 100 * added):.1f}%.",
    )


def _replace(document: Path, text: str) -> None:
    before, _, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{document} has no {BEGIN} and {END}.")
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
