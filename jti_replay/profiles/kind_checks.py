"""What is wrong with the ``KIND`` of a profile, and with what its kind asks for."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from django.core.checks import CheckMessage, Error

from jti_replay.conf.rules import check_mapping
from jti_replay.kinds import BaseKind
from jti_replay.kinds.registry import BUILT_IN, DEFAULT, load_kind
from jti_replay.tokens.types import TypeRule

from .kind import type_rule


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
    options = params.get("OPTIONS", {})
    messages = check_mapping(f'{where}["OPTIONS"]', options, kind.known_options)
    if isinstance(options, dict):
        messages += kind.check_options(f'{where}["OPTIONS"]', options)
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


def check_types(
    where: str, kind: type[BaseKind], params: Mapping[str, Any]
) -> list[CheckMessage]:
    """Refuse a TYP that names what is no token of this kind (RFC 8725 3.11, 3.12)."""
    options = params.get("OPTIONS", {})
    if "TYP" not in params or not isinstance(options, dict):
        return []
    return check_typ(f'{where}["TYP"]', params["TYP"], type_rule(kind, options))


def check_typ(where: str, value: Any, admitted: TypeRule) -> list[CheckMessage]:
    """Refuse types that are not among those that are admitted."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        return []  # Its type is what is wrong, and named elsewhere.
    return [
        Error(
            f"{where} names the type {name!r}, which is that of another kind of tokens.",
            hint=f"Name types out of: {admitted}.",
            id="jti_replay.E053",
        )
        for name in names
        if isinstance(name, str) and not admitted.accepts(name)
    ]
