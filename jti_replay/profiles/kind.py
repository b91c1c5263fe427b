"""The kind of a profile, and what it adds to the rules of its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jti_replay.kinds import BaseKind
from jti_replay.kinds.registry import DEFAULT, RESERVED_TYPES, load_kind
from jti_replay.tokens.rules import TokenRules
from jti_replay.tokens.types import TypeRule

from .rules import DEFAULT_MAX_LIFETIME, rules_from_settings


def kind_from_settings(name: str, params: Mapping[str, Any]) -> BaseKind:
    """Return the kind of the profile ``name``. Its settings have been checked."""
    kind = load_kind(params.get("KIND", DEFAULT))(name, params.get("OPTIONS", {}))
    if "MAX_AGE" in params:
        kind.max_age = params["MAX_AGE"]
    return kind


def kind_of(params: Mapping[str, Any]) -> type[BaseKind]:
    """Return the class of a profile's kind, or the base class where KIND names none."""
    try:
        return load_kind(params.get("KIND", DEFAULT))
    except ImportError:
        return BaseKind  # The check of KIND says so.


def with_defaults(name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of the profile ``name`` with those that its kind has by default."""
    return {**kind_of(params).default_settings(name), **params}


def rules_of_kind(kind: BaseKind, params: Mapping[str, Any]) -> TokenRules:
    """
    Return the rules of a profile, with those that its kind adds.

    The kind is told those that it answers with.
    """
    rules = rules_from_settings(
        params,
        type_rule(type(kind), kind.options),
        # What may do without an exp is bounded by its age.
        max_lifetime=DEFAULT_MAX_LIFETIME if kind.requires_exp else None,
        key_in_header=kind.key_in_header,
    )
    kind.algorithms, kind.audiences = rules.algorithms, rules.audiences
    return replace(
        rules,
        requires_exp=kind.requires_exp,
        judges_iat=kind.judges_iat,
        max_age=kind.max_age if kind.judges_iat else None,
    )


def type_rule(kind: type[BaseKind], options: Mapping[str, Any]) -> TypeRule:
    """Return the rule for the ``typ`` of a kind's tokens (RFC 8725 3.11, 3.12)."""
    if kind.types:
        return TypeRule.only(kind.types, may_be_absent="JWT" in kind.types)
    admitted = {"at+jwt"} if options.get("single_use_access_tokens") is True else set()
    return TypeRule.any_but(
        RESERVED_TYPES - admitted,
        note="TYP narrows it. Access tokens (at+jwt) are usually sent again and again; the "
        "option single_use_access_tokens of the kind bearer admits them.",
    )
