"""What is wrong with ``JTI_REPLAY["PROFILES"]``."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import jwt
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from jti_replay import conf
from jti_replay.conf.rules import check_aliases, check_mapping, check_seconds, wrong_type
from jti_replay.tokens.keys import key_from_setting

from .kind import kind_of, with_defaults
from .kind_checks import check_kind

WHERE = f'{conf.SETTING}["PROFILES"]'
KNOWN_KEYS = (
    "ISSUER",
    "AUDIENCE",
    "ALGORITHMS",
    "JWKS_URL",
    "KEY",
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
    messages += check_kind(where, params)
    params = with_defaults(name, params)
    for key in ("ISSUER", "AUDIENCE"):
        if key in params:
            messages += _check_names(f'{where}["{key}"]', params[key])
    for key in ("LEEWAY", "MAX_LIFETIME", "MAX_AGE"):
        if key in params:
            messages += check_seconds(f'{where}["{key}"]', params[key])
    wrong_algorithms = _check_algorithms(where, params)
    messages += wrong_algorithms
    messages += _check_key_source(where, params, known_algorithms=not wrong_algorithms)
    messages += _check_cache(where, params.get("CACHE", conf.DEFAULT_ALIAS))
    return messages


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


def _check_algorithms(where: str, params: dict[str, Any]) -> list[CheckMessage]:
    where = f'{where}["ALGORITHMS"]'
    value = params.get("ALGORITHMS")
    known = sorted(jwt.PyJWS().get_algorithms())
    if isinstance(value, str):
        problem = "is a str, in which PyJWT would look for a part"
    elif not value:
        problem = "is missing or empty"
    elif not isinstance(value, list | tuple):
        return [wrong_type(where, value, "a list of str")]
    elif any(str(name).lower() == "none" for name in value):
        problem = "holds 'none', which accepts tokens that nobody signed"
    elif unknown := [name for name in value if name not in known]:
        problem = f"holds what PyJWT does not know: {unknown[0]!r}"
    else:
        return []
    accepted = ", ".join(name for name in known if name != "none")
    return [
        Error(
            f"{where} {problem}.",
            hint=f"List the algorithms that the issuer signs with, out of {accepted}.",
            id="jti_replay.E008",
        )
    ]


def _check_key_source(
    where: str, params: dict[str, Any], *, known_algorithms: bool
) -> list[CheckMessage]:
    if "KEY" not in params and "JWKS_URL" not in params:
        return [
            Error(
                f"{where} says nowhere what a token is verified with.",
                hint="Set JWKS_URL to where the issuer publishes its keys, or KEY.",
                id="jti_replay.E009",
            )
        ]
    if "KEY" in params and "JWKS_URL" in params:
        return [
            Error(
                f"{where} has two sources of keys, KEY and JWKS_URL.",
                hint="Remove one of them.",
                id="jti_replay.E010",
            )
        ]
    if "JWKS_URL" in params:
        return _check_jwks_url(f'{where}["JWKS_URL"]', params, known_algorithms)
    if not known_algorithms:
        return []
    try:
        key_from_setting(params["KEY"], params["ALGORITHMS"])
    except ImproperlyConfigured as error:
        return [
            Error(
                f"{where}: {error}",
                hint="Set KEY to a public key in PEM, a secret as long as its algorithm asks "
                "for (as bytes, if it looks like a dotted path), or the path of a function.",
                id="jti_replay.E013",
            )
        ]
    return []


def _check_jwks_url(
    where: str, params: dict[str, Any], known_algorithms: bool
) -> list[CheckMessage]:
    url = params["JWKS_URL"]
    if not isinstance(url, str):
        return [wrong_type(where, url, "a str")]
    if not _is_trustworthy(url):
        return [
            Error(
                f"{where} is no https URL: whoever sits on the way could send his own keys.",
                hint="Use https. Plain http is for loopback addresses only.",
                id="jti_replay.E011",
            )
        ]
    if known_algorithms and any(name.startswith("HS") for name in params["ALGORITHMS"]):
        return [
            Error(
                f"{where} publishes keys, but ALGORITHMS holds one whose key must be secret.",
                hint="Remove HS256, HS384 and HS512 from ALGORITHMS, or use KEY.",
                id="jti_replay.E013",
            )
        ]
    return []


def _is_trustworthy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or port == 0:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


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
    return [
        Warning(f"{WHERE}[{name!r}] has no {key}: {danger}.", hint=f"Set {key}.", id=id_)
        for name, params in conf.entries(conf.profiles())
        for key, danger, id_ in (
            (
                "AUDIENCE",
                "a token that was made for another service is accepted",
                "jti_replay.W002",
            ),
            (
                "ISSUER",
                "a token of anybody who has a key is accepted under any name",
                "jti_replay.W003",
            ),
        )
        if key in kind_of(params).recommended_settings - params.keys()
    ] + [
        warning
        for name, params in conf.entries(conf.profiles())
        for warning in kind_of(params).deployment_warnings(f"{WHERE}[{name!r}]", params)
    ]
