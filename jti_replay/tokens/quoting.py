"""Quotes from tokens that nothing vouches for, fit for a log."""

from __future__ import annotations

from collections.abc import Iterable

MOST_CHARACTERS = 200
"""The length up to which a value is shown. Its sender chooses how long it is."""


def shown(value: object) -> str:
    """Return a value on one line, without control characters, cut short."""
    return cut(repr(value))


def listed(values: Iterable[object]) -> str:
    """Return values one after the other, as :func:`shown` does, cut short as a whole."""
    return cut(", ".join(map(repr, values)))


def cut(text: str) -> str:
    """Return a text, cut short."""
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
