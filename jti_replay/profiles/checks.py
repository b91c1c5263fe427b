"""What is wrong with ``JTI_REPLAY["PROFILES"]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from jti_replay import conf
from jti_replay.conf.rules import check_aliases, check_mapping, wrong_type
from jti_replay.tokens import algorithms
from jti_replay.tokens.issuers import issuers_from_setting, mistaken_path

from . import key_checks
from .key_checks import check_duration, check_keys
from .kind import kind_of, with_defaults
from .kind_checks import check_kind

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
ACCEPTS_TOO_MUCH = (
    ("AUDIENCE", "a token that was made for another service is accepted", "jti_replay.W002"),
    (
        "ISSUER",
        "a token of anybody who has a key is accepted under any name",
        "jti_replay.W003",
    ),
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
    messages += check_kind(where, params)
    params = with_defaults(name, params)
    if "ISSUER" in params:
        messages += _check_issuer(f'{where}["ISSUER"]', params["ISSUER"])
    for key in ("AUDIENCE", "TYP"):
        if key in params:
            messages += _check_names(f'{where}["{key}"]', params[key])
    for key in ("LEEWAY", "MAX_LIFETIME", "MAX_AGE"):
        if key in params:
            messages += check_duration(
                f'{where}["{key}"]', params[key], may_be_zero=key != "MAX_LIFETIME"
            )
    if "JTI" in params:
        messages += _check_jti(f'{where}["JTI"]', params["JTI"])
    wrong_algorithms = _check_algorithms(where, params)
    messages += wrong_algorithms
    messages += check_keys(where, params, known_algorithms=not wrong_algorithms)
    messages += _check_cache(where, params.get("CACHE", conf.DEFAULT_ALIAS))
    return messages


def _check_issuer(where: str, value: Any) -> list[CheckMessage]:
    if not isinstance(value, str) and not callable(value):
        return _check_names(where, value)
    try:
        issuers_from_setting(value)
    except ImproperlyConfigured as error:
        return [
            Error(
                f"{where}: {error}",
                hint="Set ISSUER to a str, a list of str, or a sync function f(iss) -> bool or "
                "its path.",
                id="jti_replay.E028",
            )
        ]
    if mistaken_path(value):
        return [
            Warning(
                f"{where} is taken for the name of an issuer, {value!r}: there is such a "
                "module, but no such function in it.",
                hint="Correct the path, or silence this if an issuer has that name.",
                id="jti_replay.W020",
            )
        ]
    return _check_names(where, value) if isinstance(value, str) else []


def _check_jti(where: str, value: Any) -> list[CheckMessage]:
    if value in ("required", "digest"):
        return []
    return [
        Error(
            f"{where} must be 'required' or 'digest'.",
            hint="Set 'digest' if the issuer's tokens have no jti.",
            id="jti_replay.E030",
        )
    ]


def _check_names(where: str, value: Any) -> list[CheckMessage]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return [wrong_type(where, value, "a str or a list of str")]
    if not names or not all(names):
        return [
            Error(
                f"{where} is empty, so that it would accept any.",
                hint=f"Name what is accepted, or leave {where} out.",
                id="jti_replay.E015",
            )
        ]
    return []


def _check_algorithms(where: str, params: Mapping[str, Any]) -> list[CheckMessage]:
    where = f'{where}["ALGORITHMS"]'
    value = params.get("ALGORITHMS")
    known = algorithms.known()
    if isinstance(value, str):
        problem = "is a str, in which PyJWT would look for a part"
    elif not value:
        problem = "is missing or empty"
    elif not isinstance(value, list | tuple):
        return [wrong_type(where, value, "a list of str")]
    elif any(str(name).lower() == "none" for name in value):
        problem = "holds 'none', which accepts tokens that nobody signed"
    elif unknown := [name for name in value if name not in known]:
        problem = f"holds one that is not known: {unknown[0]!r}"
    else:
        return []
    return [
        Error(
            f"{where} {problem}.",
            hint=f"List the algorithms that the issuer signs with, out of {', '.join(known)}.",
            id="jti_replay.E008",
        )
    ]


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
        messages += [
            Warning(f"{where} has no {key}: {danger}.", hint=f"Set {key}.", id=id_)
            for key, danger, id_ in ACCEPTS_TOO_MUCH
            if key in kind.recommended_settings - params.keys()
        ]
        messages += key_checks.deployment_warnings(where, params)
        messages += kind.deployment_warnings(where, params)
    return messages
