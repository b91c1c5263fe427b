"""Verify a token by a profile, where there is no request: in a task, a websocket, a service."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from jti_replay.conf import DEFAULT_PROFILE
from jti_replay.tokens.rules import TokenRules
from jti_replay.tokens.verification import averify, verify

from .profile import get_profile


def verify_token(token: str, profile: str = DEFAULT_PROFILE) -> dict[str, Any]:
    """
    Return the claims of a token that a profile accepts. Nothing is reserved.

    A caller that waits between this and the use of the token judges again by the claims'
    times. Raises :exc:`~jti_replay.TokenInvalid` if the profile does not accept it,
    :exc:`~jti_replay.KeysUnavailable` if that cannot be told, and
    :exc:`~django.core.exceptions.ImproperlyConfigured` for a profile that does not work, or
    whose kind needs the request.
    """
    return verify(token, _rules(profile)).claims


async def averify_token(token: str, profile: str = DEFAULT_PROFILE) -> dict[str, Any]:
    """Async version of :func:`verify_token`."""
    return (await averify(token, _rules(profile))).claims


def _rules(profile: str) -> TokenRules:
    rules = get_profile(profile).rules
    if rules.keys is None:
        raise ImproperlyConfigured(
            f"The profile {profile!r} is of a kind whose tokens come with their key, so they "
            "cannot be verified without their request. Use reserve_jti."
        )
    return rules
