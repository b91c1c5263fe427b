"""Puts the results into the documentation, between two marks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tables import as_markdown, tables

DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def render(results: Mapping[str, Any], document: Path = DOCUMENT) -> None:
    """
    Replace what stands between the marks of a document by the results.

    Raises :exc:`ValueError` if the document has no marks.
    """
    before, _, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{document} has no {BEGIN} and {END}.")
    parts = [results["machine"]]
    parts += [f"### {title}\n\n{as_markdown(rows)}" for title, rows in tables(results)]
    document.write_text(f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}")
