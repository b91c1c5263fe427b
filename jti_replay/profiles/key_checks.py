"""What is wrong with where a profile's keys come from."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django.core.checks import ERROR, CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from jti_replay.conf.rules import check_mapping, check_seconds, wrong_type
from jti_replay.tokens.functions import looks_like_path
from jti_replay.tokens.jwks_options import JwksOptions
from jti_replay.tokens.keys import key_from_setting
from jti_replay.tokens.locations import problem_of_headers
from jti_replay.tokens.urls import is_trustworthy

from .rules import options_from_setting

KNOWN_OPTIONS = tuple(field.name for field in fields(JwksOptions))
OPTIONS = "JWKS_OPTIONS"


def check_keys(
    where: str, params: Mapping[str, Any], *, known_algorithms: bool
) -> list[CheckMessage]:
    """Refuse a profile without a source of keys, with two, or with one that cannot work."""
    if "KEY" in params and "JWKS_URL" in params:
        return [
            Error(
                f"{where} has two sources of keys, KEY and JWKS_URL.",
                hint="Remove one of them.",
                id="jti_replay.E010",
            )
        ]
    if "KEY" in params:
        return _check_key(where, params, known_algorithms)
    if "JWKS_URL" not in params and "ISSUER" not in params:
        return [
            Error(
                f"{where} says nowhere what a token is verified with.",
                hint="Set KEY, or JWKS_URL to where the issuer publishes its keys, or ISSUER, "
                "whose keys are then found by OpenID Connect Discovery.",
                id="jti_replay.E009",
            )
        ]
    messages = _check_options(f'{where}["{OPTIONS}"]', params.get(OPTIONS, {}))
    if "JWKS_URL" in params:
        messages += _check_url(f'{where}["JWKS_URL"]', params)
    elif not messages:
        messages += _check_discovery(f'{where}["ISSUER"]', params)
    if known_algorithms and not any(message.level >= ERROR for message in messages):
        messages += _check_public(where, params)
    return messages


def _check_key(
    where: str, params: Mapping[str, Any], known_algorithms: bool
) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if OPTIONS in params:
        messages.append(
            Error(
                f"{where} has {OPTIONS}, which nothing reads beside KEY.",
                hint=f"Remove {OPTIONS}, or KEY.",
                id="jti_replay.E031",
            )
        )
    if known_algorithms:
        try:
            key_from_setting(params["KEY"], params["ALGORITHMS"])
        except ImproperlyConfigured as error:
            messages.append(
                Error(
                    f"{where}: {error}",
                    hint="Set KEY to a public key in PEM, a secret as long as its algorithm "
                    "asks for (as bytes, if it looks like a dotted path), or the path of a "
                    "function.",
                    id="jti_replay.E013",
                )
            )
    return messages


def _check_url(where: str, params: Mapping[str, Any]) -> list[CheckMessage]:
    url = params["JWKS_URL"]
    if not isinstance(url, str):
        return [wrong_type(where, url, "a str")]
    if is_trustworthy(url, allow_http=_allows_http(params)):
        return []
    return [
        Error(
            f"{where} is no https URL: others on the way could send keys of their own.",
            hint="Use https. Plain http is for loopback addresses, and for networks that you "
            f"trust, with {OPTIONS} allow_http.",
            id="jti_replay.E011",
        )
    ]


def _check_discovery(where: str, params: Mapping[str, Any]) -> list[CheckMessage]:
    value = params["ISSUER"]
    issuers = [value] if isinstance(value, str) else value
    if not isinstance(issuers, list | tuple) or looks_like_path(value):
        return []  # A function, or of a wrong type, which another check names.
    return [
        Warning(
            f"{where} holds {name!r}, which is no https URL: its keys cannot be found by "
            "OpenID Connect Discovery, so its tokens are answered 503.",
            hint=f"Name an https URL, set JWKS_URL, or see {OPTIONS} allow_http.",
            id="jti_replay.W021",
        )
        for name in issuers
        if isinstance(name, str) and not is_trustworthy(name, allow_http=_allows_http(params))
    ]


def _allows_http(params: Mapping[str, Any]) -> bool:
    options = params.get(OPTIONS, {})
    return isinstance(options, dict) and options.get("allow_http") is True


def _check_public(where: str, params: Mapping[str, Any]) -> list[CheckMessage]:
    if not any(name.startswith("HS") for name in params["ALGORITHMS"]):
        return []
    return [
        Error(
            f"{where} has keys that are published, but ALGORITHMS holds one whose key must be "
            "secret.",
            hint="Remove HS256, HS384 and HS512 from ALGORITHMS, or use KEY.",
            id="jti_replay.E013",
        )
    ]


def _check_options(where: str, value: Any) -> list[CheckMessage]:
    messages = check_mapping(where, value, KNOWN_OPTIONS)
    if not isinstance(value, dict):
        return messages
    for name in ("timeout", "lifespan", "max_stale"):
        if name in value:
            messages += check_duration(
                f'{where}["{name}"]', value[name], may_be_zero=name == "max_stale"
            )
    if not isinstance(value.get("allow_http", False), bool):
        messages.append(wrong_type(f'{where}["allow_http"]', value["allow_http"], "a bool"))
    if "headers" in value:
        messages += _check_headers(f'{where}["headers"]', value["headers"])
    if "cafile" in value:
        messages += _check_cafile(f'{where}["cafile"]', value["cafile"])
    return messages


def check_duration(where: str, value: Any, *, may_be_zero: bool = True) -> list[CheckMessage]:
    """Refuse what is no duration in seconds, or is 0 where that cannot work."""
    messages = check_seconds(where, value)
    if not messages and not may_be_zero and value == 0:
        messages.append(
            Error(
                f"{where} must not be 0.",
                hint=f"Set {where} to a number of seconds above 0.",
                id="jti_replay.E007",
            )
        )
    return messages


def _check_headers(where: str, value: Any) -> list[CheckMessage]:
    if not (isinstance(value, dict | str) or callable(value)):
        return [wrong_type(where, value, "a dict, or the path of a function")]
    problem = None
    if isinstance(value, dict):
        problem = problem_of_headers(value)
    else:
        try:
            options_from_setting({"headers": value})
        except ImproperlyConfigured as error:
            problem = f"cannot be asked: {error}"
    if problem is None:
        return []
    return [
        Error(
            f"{where} {problem}.",
            hint="Set a dict of names and values, both of printable ASCII, or the path of a "
            "sync function that returns one.",
            id="jti_replay.E029",
        )
    ]


def _check_cafile(where: str, value: Any) -> list[CheckMessage]:
    if not isinstance(value, str):
        return [wrong_type(where, value, "a str")]
    try:
        ssl.create_default_context(cafile=value)
    except (OSError, ValueError) as error:
        return [
            Error(
                f"{where} cannot be read: {type(error).__name__}: {error}.",
                hint="Set the path of a file of certificates in PEM.",
                id="jti_replay.E029",
            )
        ]
    return []


def deployment_warnings(where: str, params: Mapping[str, Any]) -> list[CheckMessage]:
    """Warn of keys that come over plain http, for ``manage.py check --deploy``."""
    if "KEY" in params or not _allows_http(params):
        return []
    return [
        Warning(
            f'{where}["{OPTIONS}"] has allow_http: others on the network could send keys of '
            "their own.",
            hint="Serve the keys over https, with cafile if the certificate is your own.",
            id="jti_replay.W019",
        )
    ]
