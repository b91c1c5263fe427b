"""Each clause of the standards has a test, and the page of them is current."""

from __future__ import annotations

from .clauses import PAGE, clauses, page, proofs

ROWS = {number: row for rows in clauses().values() for number, row in rows.items()}


def test_each_clause_has_a_test_or_a_reason() -> None:
    """One that has both would be a reason that is no longer true."""
    named = proofs()
    assert [number for number, row in ROWS.items() if number not in named] == [
        number for number, row in ROWS.items() if "reason" in row
    ]


def test_the_page_of_clauses_is_current() -> None:
    """``python -m tests.docs.clauses`` writes it."""
    assert page() == PAGE.read_text()
