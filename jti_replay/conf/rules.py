"""The rules that hold for every dict in the settings: its type, and which keys it may hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from django.core.checks import CheckMessage, Error

MOST_SECONDS = 10**10
"""More than three centuries. What is added to a time of today is still one."""


def check_mapping(where: str, value: Any, known: Collection[str]) -> list[CheckMessage]:
    """Refuse what is no dict, and keys that nothing reads."""
    if not isinstance(value, dict):
        return [wrong_type(where, value, "a dict")]
    return [unknown_key(where, key, known) for key in value if key not in known]


def wrong_type(where: str, value: Any, expected: str) -> Error:
    """Return the error for a setting of a wrong type, without showing its value."""
    return Error(
        f"{where} must be {expected}, not {type(value).__name__}.",
        hint=f"Make {where} {expected}.",
        id="jti_replay.E001",
    )


def unknown_key(where: str, key: Any, known: Collection[str]) -> Error:
    """Return the error for a key that nothing reads, with the nearest one that is read."""
    by_lower = {name.lower(): name for name in sorted(known)}
    nearest = get_close_matches(str(key).lower(), by_lower, n=1, cutoff=0.5)
    if nearest:
        hint = f"Did you mean {by_lower[nearest[0]]!r}?"
    elif known:
        hint = f"Known here: {', '.join(sorted(known))}."
    else:
        hint = "Nothing can be set here."
    return Error(f"{where} has an unknown key {key!r}.", hint=hint, id="jti_replay.E002")


def check_seconds(where: str, value: Any) -> list[CheckMessage]:
    """Refuse what is no duration in seconds: an int or float from 0 to MOST_SECONDS."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [wrong_type(where, value, "a number of seconds")]
    if not 0 <= value <= MOST_SECONDS:
        return [
            Error(
                f"{where} must not be negative, and not above {MOST_SECONDS:_} seconds.",
                hint=f"Set {where} to 0 or more.",
                id="jti_replay.E007",
            )
        ]
    return []


def check_bools(
    where: str, values: Mapping[str, Any], names: Iterable[str]
) -> Iterator[CheckMessage]:
    """Refuse those of some settings that are there and no bool."""
    for name in names:
        if not isinstance(values.get(name, False), bool):
            yield wrong_type(f'{where}["{name}"]', values[name], "a bool")


def check_aliases(where: str, value: dict[Any, Any]) -> list[CheckMessage]:
    """Refuse names that are no str."""
    return [
        wrong_type(f"The name {alias!r} in {where}", alias, "a str")
        for alias in value
        if not isinstance(alias, str)
    ]
