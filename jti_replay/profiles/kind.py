"""The kind of a profile, and what it adds to the rules of its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jti_replay.kinds import BaseKind
from jti_replay.kinds.registry import DEFAULT, RESERVED_TYPES, load_kind
from jti_replay.tokens.types import TypeRule


def kind_from_settings(name: str, params: Mapping[str, Any]) -> BaseKind:
    """Return the kind of the profile ``name``. Its settings have been checked."""
    kind = load_kind(params.get("KIND", DEFAULT))(name, params.get("OPTIONS", {}))
    if "MAX_AGE" in params:
        kind.max_age = params["MAX_AGE"]
    return kind


def with_defaults(name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of the profile ``name`` with those that its kind has by default."""
    try:
        kind = load_kind(params.get("KIND", DEFAULT))
    except ImportError:
        return params  # The check of KIND says so.
    return {**kind.default_settings(name), **params}


def type_rule(kind: BaseKind) -> TypeRule:
    """Return the rule for the ``typ`` of a kind's tokens (RFC 8725 3.11, 3.12)."""
    if kind.types:
        return TypeRule.only(kind.types, may_be_absent="JWT" in kind.types)
    admitted = {"at+jwt"} if kind.options.get("single_use_access_tokens") is True else set()
    return TypeRule.any_but(RESERVED_TYPES - admitted)
