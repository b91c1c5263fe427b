"""Findings: what a diagnosis reports of one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Level: TypeAlias = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that was looked at.

    ``key`` names it and stays the same between releases, ``value`` is what was found (None,
    bool, int, float, str, or a list or dict of them), ``text`` says in a sentence what that
    means, ``hint`` what to do about it. ``check`` is the id of the system check, for
    what is no ``"ok"``.
    """

    key: str
    value: Any
    level: Level
    text: str
    hint: str = ""
    check: str = ""

    @classmethod
    def ok(cls, key: str, value: Any, text: str) -> Finding:
        """Return a finding that is as it should be, or only good to know."""
        return cls(key, value, "ok", text)

    @classmethod
    def warning(cls, key: str, value: Any, text: str, *, hint: str, check: str) -> Finding:
        """Return a finding by which a token may be accepted twice, on a bad day."""
        return cls(key, value, "warning", text, hint, check)

    @classmethod
    def error(cls, key: str, value: Any, text: str, *, hint: str, check: str) -> Finding:
        """Return a finding by which tokens are, or can be, refused or accepted wrongly."""
        return cls(key, value, "error", text, hint, check)


class Unusable(Exception):  # It is a finding first.
    """Ends the examination of a store that cannot do its work. It holds the last finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding
