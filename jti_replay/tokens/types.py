"""The type that a token declares in its header (``typ``; RFC 7515 4.1.9, RFC 8725 3.11)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


def media_type(typ: str) -> str:
    """Return a ``typ`` as the media type that it stands for: ``JWT`` is ``application/jwt``."""
    lower = typ.lower()
    return lower if "/" in lower else f"application/{lower}"


@dataclass(frozen=True, slots=True)
class TypeRule:
    """
    The types that are accepted, as media types.

    ``accepted`` is None where any is but the ``refused``. ``may_be_absent`` says whether a
    token without a ``typ`` passes, and ``note`` what else an operator is told of a refusal.
    """

    accepted: frozenset[str] | None = None
    refused: frozenset[str] = frozenset()
    may_be_absent: bool = True
    note: str = ""

    @classmethod
    def only(cls, types: Iterable[str], *, may_be_absent: bool = False) -> TypeRule:
        """Return the rule that accepts these types, each as :func:`media_type` reads it."""
        return cls(frozenset(map(media_type, types)), may_be_absent=may_be_absent)

    @classmethod
    def any_but(cls, types: Iterable[str], note: str = "") -> TypeRule:
        """Return the rule that accepts all types but these, and tokens without one."""
        return cls(refused=frozenset(map(media_type, types)), note=note)

    def accepts(self, typ: str | None) -> bool:
        """Return whether a token of this ``typ`` passes. None: it has none."""
        if typ is None:
            return self.may_be_absent
        if self.accepted is None:
            return media_type(typ) not in self.refused
        return media_type(typ) in self.accepted

    def __str__(self) -> str:
        if self.accepted is None:
            return f"any but {_listed(self.refused)}"
        return _listed(self.accepted) + (", or none" if self.may_be_absent else "")


def _listed(types: Iterable[str]) -> str:
    return ", ".join(sorted(typ.removeprefix("application/") for typ in types))
