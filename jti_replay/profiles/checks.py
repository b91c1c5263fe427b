"""What is wrong with ``JTI_REPLAY["PROFILES"]``."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error

from jti_replay import conf
from jti_replay.conf.rules import check_aliases, check_mapping, wrong_type

from . import access_token_checks, rule_checks
from .access_token_checks import check_access_token
from .kind import kind_of, with_defaults
from .kind_checks import check_kind, check_types
from .rule_checks import check_rules

WHERE = f'{conf.SETTING}["PROFILES"]'
KNOWN_KEYS = (
    "ISSUER",
    "AUDIENCE",
    "ALGORITHMS",
    "JWKS_URL",
    "JWKS_OPTIONS",
    "KEY",
    "TYP",
    "JTI",
    "LEEWAY",
    "MAX_LIFETIME",
    "MAX_AGE",
    "CACHE",
    "KIND",
    "OPTIONS",
)


def check_section(profiles: Any) -> list[CheckMessage]:
    """Refuse a section that is no dict of profiles."""
    if not isinstance(profiles, dict):
        return [wrong_type(WHERE, profiles, "a dict")]
    return check_aliases(WHERE, profiles)


def check_profile(name: str, params: Any) -> list[CheckMessage]:
    """Refuse the settings of one profile that cannot work, or that would accept too much."""
    where = f"{WHERE}[{name!r}]"
    messages = check_mapping(where, params, KNOWN_KEYS)
    if not isinstance(params, dict):
        return messages
    kind = kind_of(params)
    messages += check_kind(where, params)
    messages += check_access_token(where, kind, params)
    params = with_defaults(name, params)
    messages += check_rules(where, params, key_in_header=kind.key_in_header)
    messages += check_types(where, kind, params)
    messages += _check_cache(where, params.get("CACHE", conf.DEFAULT_ALIAS))
    return messages


def _check_cache(where: str, alias: Any) -> list[CheckMessage]:
    if not isinstance(alias, str):
        return [wrong_type(f'{where}["CACHE"]', alias, "a str")]
    caches = conf.caches()
    if not isinstance(caches, dict) or alias in caches:
        return []
    return [
        Error(
            f'{where}["CACHE"] names no cache: {alias!r}.',
            hint=f"Use one of {', '.join(map(repr, caches)) or 'none'}, or add it to "
            f'{conf.SETTING}["CACHES"].',
            id="jti_replay.E012",
        )
    ]


def deployment_warnings() -> list[CheckMessage]:
    """Warn of profiles that accept too much, for ``manage.py check --deploy``."""
    messages: list[CheckMessage] = []
    for name, params in conf.entries(conf.profiles()):
        where, kind = f"{WHERE}[{name!r}]", kind_of(params)
        messages += rule_checks.deployment_warnings(where, params, kind.recommended_settings)
        messages += access_token_checks.deployment_warnings(where, kind, params)
        messages += kind.deployment_warnings(where, params)
    return messages
