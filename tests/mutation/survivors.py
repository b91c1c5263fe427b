"""The mutants that may live, each with its reason."""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).with_name("survivors.txt")
"""A line for each: the mutant as it is reported, ``#`` and the reason. Blank lines are free."""


def known() -> dict[str, str]:
    """Return the reasons, by mutant."""
    reasons = {}
    for line in FILE.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            mutant, mark, reason = line.partition("  # ")
            if not mark or not reason.strip():
                raise ValueError(f"{FILE.name} gives no reason for: {line}")
            reasons[mutant.strip()] = reason.strip()
    return reasons
