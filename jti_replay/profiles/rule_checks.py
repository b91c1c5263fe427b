"""What is wrong with the rules by which tokens are verified."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from jti_replay.conf.rules import wrong_type
from jti_replay.tokens import algorithms
from jti_replay.tokens.issuers import issuers_from_setting, mistaken_path

from . import key_checks
from .key_checks import check_duration, check_keys

ACCEPTS_TOO_MUCH = (
    ("AUDIENCE", "a token that was made for another service is accepted", "jti_replay.W002"),
    (
        "ISSUER",
        "a token of anybody who has a key is accepted under any name",
        "jti_replay.W003",
    ),
)


def check_rules(
    where: str, params: Mapping[str, Any], *, key_in_header: bool = False
) -> list[CheckMessage]:
    """
    Refuse rules that cannot work, or that would accept too much.

    ``key_in_header``: whether each token brings its key.
    """
    messages: list[CheckMessage] = []
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
    if not key_in_header:
        messages += check_keys(where, params, known_algorithms=not wrong_algorithms)
    elif not wrong_algorithms:
        messages += _check_asymmetric(f'{where}["ALGORITHMS"]', params["ALGORITHMS"])
    return messages


def deployment_warnings(
    where: str, params: Mapping[str, Any], recommended: Collection[str]
) -> list[CheckMessage]:
    """Warn of rules that accept too much, for ``manage.py check --deploy``."""
    messages: list[CheckMessage] = [
        Warning(f"{where} has no {key}: {danger}.", hint=f"Set {key}.", id=id_)
        for key, danger, id_ in ACCEPTS_TOO_MUCH
        if key in recommended and key not in params
    ]
    return messages + key_checks.deployment_warnings(where, params)


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
        problem = "holds 'none', which accepts unsigned tokens"
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


def _check_asymmetric(where: str, names: Collection[str]) -> list[CheckMessage]:
    symmetric = [name for name in names if name.startswith("HS")]
    if not symmetric:
        return []
    return [
        Error(
            f"{where} holds {symmetric[0]}, whose key is secret, but the tokens of this kind "
            "bring their key with them.",
            hint="List algorithms with public keys alone, such as ES256 and EdDSA.",
            id="jti_replay.E050",
        )
    ]
