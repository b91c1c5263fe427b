"""Verify a token by a profile, where there is no request: in a task, a websocket, a service."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from jti_replay.conf import DEFAULT_PROFILE
from jti_replay.tokens.rules import TokenRules
from jti_replay.tokens.verification import VerifiedToken, averify, verify

from .profile import Profile, get_profile


def verify_token(token: str, profile: str = DEFAULT_PROFILE) -> dict[str, Any]:
    """
    Return the claims of a token that a profile accepts. Nothing is reserved.

    A caller that waits between this and the use of the token judges again by the claims'
    times. Raises :exc:`~jti_replay.TokenInvalid` if the profile does not accept it,
    :exc:`~jti_replay.KeysUnavailable` if that cannot be told, and
    :exc:`~django.core.exceptions.ImproperlyConfigured` for a profile that does not work, or
    whose kind needs the request.
    """
    return verify_by(get_profile(profile), token).claims


async def averify_token(token: str, profile: str = DEFAULT_PROFILE) -> dict[str, Any]:
    """Async version of :func:`verify_token`."""
    found = get_profile(profile)
    return _checked(found, await averify(token, _rules(found))).claims


def verify_by(profile: Profile, token: str) -> VerifiedToken:
    """Return what a token says that a profile accepts, as :func:`verify_token` judges it."""
    return _checked(profile, verify(token, _rules(profile)))


def _rules(profile: Profile) -> TokenRules:
    rules = profile.rules
    if rules.keys is None:
        raise ImproperlyConfigured(
            f"The tokens of the profile {profile.name!r} cannot be verified without their "
            "request, which says what they are for. Use reserve_jti."
        )
    return rules


def _checked(profile: Profile, token: VerifiedToken) -> VerifiedToken:
    # What a kind looks for in the request beside the token, such as a client_id, is not there.
    profile.check(token, HttpRequest())
    return token
