"""Namespaces as the table holds them: escaped, and cut where the column ends."""

from __future__ import annotations

LENGTH = 255
"""Characters of the column."""


def to_column(namespace: str) -> str:
    """Return what the table shows of a namespace. Not every database takes every character."""
    return namespace.encode("unicode_escape").decode("ascii")[:LENGTH]


def from_column(text: str) -> str | None:
    """Return the namespace, or None if the column may have been too short for it."""
    if len(text) >= LENGTH:
        return None
    return text.encode("ascii").decode("unicode_escape")
