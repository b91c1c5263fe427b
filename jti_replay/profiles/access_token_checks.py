"""What is wrong with the option ``access_token`` of a kind that such a token comes with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from jti_replay.conf.rules import check_mapping
from jti_replay.kinds import BaseKind
from jti_replay.kinds.registry import RESERVED_TYPES
from jti_replay.tokens.functions import function_at
from jti_replay.tokens.types import TypeRule

from . import rule_checks
from .kind_checks import check_typ
from .rule_checks import check_rules

OPTION = "access_token"
KNOWN_KEYS = (
    "ISSUER",
    "AUDIENCE",
    "ALGORITHMS",
    "JWKS_URL",
    "JWKS_OPTIONS",
    "KEY",
    "TYP",
    "LEEWAY",
    "MAX_LIFETIME",
)
ADMITTED = TypeRule.any_but(RESERVED_TYPES - {"at+jwt"})
RECOMMENDED = BaseKind.recommended_settings


def check_access_token(
    where: str, kind: type[BaseKind], params: Mapping[str, Any]
) -> list[CheckMessage]:
    """Refuse an ``access_token`` that is missing, cannot work, or is used by nothing."""
    options = params.get("OPTIONS", {})
    if OPTION not in kind.known_options or not isinstance(options, dict):
        return []
    where = f'{where}["OPTIONS"]'
    needed = kind.needs_access_token(options)
    if needed and OPTION not in options:
        return [
            Error(
                f'{where} has no "{OPTION}": the access tokens would not be verified.',
                hint=f"Set {OPTION!r} to the rules of a profile, or to the path of a function. "
                "At a token endpoint, set 'at' to 'token_endpoint'.",
                id="jti_replay.E048",
            )
        ]
    if OPTION not in options:
        return []
    if not needed:
        return [
            Error(
                f'{where} has "{OPTION}", but no access token comes to a token endpoint.',
                hint=f"Remove {OPTION!r}, or 'at'.",
                id="jti_replay.E049",
            )
        ]
    where, value = f'{where}["{OPTION}"]', options[OPTION]
    if not isinstance(value, dict):
        return _check_function(where, value)
    messages = check_mapping(where, value, KNOWN_KEYS) + check_rules(where, value)
    if "TYP" in value:
        messages += check_typ(f'{where}["TYP"]', value["TYP"], ADMITTED)
    return messages


def deployment_warnings(
    where: str, kind: type[BaseKind], params: Mapping[str, Any]
) -> list[CheckMessage]:
    """Warn of access tokens that are accepted too easily, for ``check --deploy``."""
    options = params.get("OPTIONS", {})
    value = options.get(OPTION) if isinstance(options, dict) else None
    if OPTION not in kind.known_options or not isinstance(value, dict):
        return []
    return rule_checks.deployment_warnings(
        f'{where}["OPTIONS"]["{OPTION}"]', value, RECOMMENDED
    )


def _check_function(where: str, value: Any) -> list[CheckMessage]:
    problem = None
    if isinstance(value, str):
        try:
            function_at(value, OPTION)
        except ImproperlyConfigured as error:
            problem = str(error)
    elif not callable(value):
        problem = f"It is of type {type(value).__name__}."
    if problem is None:
        return []
    return [
        Error(
            f"{where} cannot be used: {problem}",
            hint="Set the rules of a profile, or the path of a function f(token, request) that "
            "returns claims or None.",
            id="jti_replay.E052",
        )
    ]
