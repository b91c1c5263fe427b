"""Quotes from tokens in messages."""

from __future__ import annotations

import pytest

from jti_replay.tokens.quoting import MOST_CHARACTERS, listed, shown

LONGEST = "x" * (MOST_CHARACTERS - 2)
"""The longest str that is shown whole, between its quotation marks."""


def test_a_quote_of_the_most_characters_is_whole() -> None:
    assert shown(LONGEST) == listed([LONGEST]) == f"'{LONGEST}'"


@pytest.mark.parametrize("more", ["x", "x" * 100_000])
def test_a_longer_quote_is_cut_to_the_most_characters(more: str) -> None:
    """An ellipsis says so."""
    cut = f"'{LONGEST}…"
    assert len(cut) == MOST_CHARACTERS
    assert shown(LONGEST + more) == listed([LONGEST + more]) == cut
