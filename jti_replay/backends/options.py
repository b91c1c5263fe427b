"""The OPTIONS of a backend: their names, types and defaults, as the fields of a dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from django.core.checks import CheckMessage

from jti_replay.conf.rules import check_seconds, wrong_type


@dataclass(frozen=True, slots=True)
class Options:
    """What ``OPTIONS`` of a cache may hold. A float is a number of seconds."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Return what a setting says. Its types are for :meth:`check` to look at."""
        names = cls.names()
        return cls(**{name: value for name, value in options.items() if name in names})

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names that the setting may hold."""
        return frozenset(field.name for field in fields(cls))

    def check(self, alias: str) -> list[CheckMessage]:
        """Refuse bools and numbers of seconds that are none."""
        messages: list[CheckMessage] = []
        for field in fields(self):
            value = getattr(self, field.name)
            where = f"{field.name} of the replay cache {alias!r}"
            if field.type == "float":
                messages += check_seconds(where, value)
            elif field.type == "bool" and not isinstance(value, bool):
                messages.append(wrong_type(where, value, "a bool"))
        return messages
