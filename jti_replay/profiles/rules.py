"""The rules that the settings of a profile describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jti_replay.tokens.discovery import DiscoveredKeys
from jti_replay.tokens.functions import function_at, sync_function
from jti_replay.tokens.issuers import issuers_from_setting
from jti_replay.tokens.jwks import RemoteKeys
from jti_replay.tokens.jwks_options import JwksOptions
from jti_replay.tokens.keys import KeySource, key_from_setting
from jti_replay.tokens.locations import JwksUrl
from jti_replay.tokens.rules import TokenRules
from jti_replay.tokens.types import TypeRule

DEFAULT_LEEWAY = 30
"""Seconds of clock skew that are accepted."""

DEFAULT_MAX_LIFETIME = 3600
"""Seconds that a token may live."""


def rules_from_settings(
    params: Mapping[str, Any],
    types: TypeRule,
    *,
    max_lifetime: float | None,
    key_in_header: bool = False,
) -> TokenRules:
    """
    Return the rules that the settings of a profile describe. They have been checked.

    ``types`` is accepted without TYP, and ``max_lifetime`` without MAX_LIFETIME.
    ``key_in_header``: whether each token brings its key.
    """
    return TokenRules(
        keys=None if key_in_header else keys_from_settings(params),
        algorithms=tuple(params["ALGORITHMS"]),
        issuers=issuers_from_setting(params["ISSUER"]) if "ISSUER" in params else None,
        audiences=names(params.get("AUDIENCE", ())),
        leeway=params.get("LEEWAY", DEFAULT_LEEWAY),
        max_lifetime=params.get("MAX_LIFETIME", max_lifetime),
        types=TypeRule.only(names(params["TYP"])) if "TYP" in params else types,
        jti=params.get("JTI", "required"),
    )


def keys_from_settings(params: Mapping[str, Any]) -> KeySource:
    """Return the source of keys that the settings of a profile name."""
    if "KEY" in params:
        return key_from_setting(params["KEY"], params["ALGORITHMS"])
    options = options_from_setting(params.get("JWKS_OPTIONS", {}))
    if "JWKS_URL" in params:
        return RemoteKeys(JwksUrl(params["JWKS_URL"], options), options)
    return DiscoveredKeys(options)


def options_from_setting(value: Mapping[str, Any]) -> JwksOptions:
    """
    Return the options that a JWKS_OPTIONS setting describes.

    Raises :exc:`~django.core.exceptions.ImproperlyConfigured` if ``headers`` names no sync
    function.
    """
    headers = value.get("headers")
    setting = 'JWKS_OPTIONS["headers"]'
    if isinstance(headers, str):
        headers = function_at(headers, setting)
    if callable(headers):
        headers = sync_function(headers, setting)
    return JwksOptions(**{**value, "headers": headers})


def names(value: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that a setting lists, which may be one str."""
    return (value,) if isinstance(value, str) else tuple(value)
