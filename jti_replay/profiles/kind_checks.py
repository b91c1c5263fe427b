"""What is wrong with the ``KIND`` of a profile, and with what its kind asks for."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from django.core.checks import CheckMessage, Error

from jti_replay.conf.rules import check_mapping
from jti_replay.kinds.registry import BUILT_IN, DEFAULT, load_kind


def check_kind(where: str, params: Mapping[str, Any]) -> list[CheckMessage]:
    """Refuse a kind that there is not, and options that it does not have."""
    name = params.get("KIND", DEFAULT)
    try:
        kind = load_kind(name)
    except ImportError as error:
        nearest = get_close_matches(str(name).lower(), BUILT_IN, n=1, cutoff=0.5)
        hint = (
            f"Did you mean {nearest[0]!r}?"
            if nearest
            else f"Use one of {', '.join(map(repr, sorted(BUILT_IN)))}, or the path of a "
            "subclass of jti_replay.kinds.BaseKind."
        )
        return [
            Error(
                f'{where}["KIND"] does not name a kind of tokens: {name!r}: {error}.',
                hint=hint,
                id="jti_replay.E047",
            )
        ]
    messages = check_mapping(
        f'{where}["OPTIONS"]', params.get("OPTIONS", {}), kind.known_options
    )
    messages += [
        Error(
            f"{where} has no {key}, which the kind {name!r} needs.",
            hint=f"Set {key}.",
            id="jti_replay.E048",
        )
        for key in sorted(kind.required_settings - params.keys())
    ]
    messages += [
        Error(
            f"{where} has {key}, which the kind {name!r} does not use.",
            hint=f"Remove {key}.",
            id="jti_replay.E049",
        )
        for key in sorted(kind.unused_settings & params.keys())
    ]
    return messages
