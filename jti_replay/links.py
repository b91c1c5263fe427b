"""
One-time links, for profiles of the kind ``"link"``.

::

    link = make_link(request, "accept-invitation", "invite", {"sub": str(user.pk)})

The view that the link leads to is decorated with ``@reserve_jti("invite")``.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from . import conf
from .kinds.link import Link, derived_key, key_id
from .profiles import Profile, get_profile
from .tokens.functions import looks_like_path

if TYPE_CHECKING:
    from django.http import HttpRequest

RESERVED_CLAIMS = ("iss", "aud", "iat", "exp", "jti")
"""The claims that a link's token has of its own."""


def make_token(
    profile: str,
    claims: Mapping[str, Any] | None = None,
    *,
    lifetime: float | timedelta | None = None,
) -> str:
    """
    Return the token of a new link, signed for a profile of the kind ``"link"``.

    ``claims`` are what the view is to know, such as ``{"sub": "7"}``; anyone who has the link
    can read them. ``lifetime`` is in seconds, or a timedelta; by default it is
    ``MAX_LIFETIME`` of the profile.

    Raises :exc:`ValueError` for claims that the token has of its own (iss, aud, iat, exp,
    jti), and for a lifetime that the profile would refuse, :exc:`TypeError` for claims that
    JSON cannot hold, and :exc:`~django.core.exceptions.ImproperlyConfigured` for a profile
    that does not exist, is of another kind or whose ``KEY`` cannot sign.
    """
    configured, _ = _link_profile(profile)
    claims = dict(claims or {})
    if taken := [name for name in RESERVED_CLAIMS if name in claims]:
        raise ValueError(f"The claims {', '.join(taken)} are those of the link itself.")
    now = int(time.time())
    claims |= {
        "aud": profile,
        "iat": now,
        "exp": now + _seconds(lifetime, configured),
        "jti": secrets.token_urlsafe(16),
    }
    return sign_claims(configured, claims)


def sign_claims(profile: Profile, claims: dict[str, Any]) -> str:
    """Return a token of these very claims, signed for a profile of the kind ``"link"``."""
    key, header = _signing_key(profile)
    return jwt.encode(claims, key, profile.rules.algorithms[0], headers=header)


def make_link(
    request: HttpRequest,
    viewname: str,
    profile: str,
    claims: Mapping[str, Any] | None = None,
    *,
    lifetime: float | timedelta | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> str:
    """
    Return a new link as a whole URL: what ``request.build_absolute_uri()`` makes of the view.

    The token is in the view's URL argument, if it has one of the profile's ``parameter``, and
    in the query otherwise. ``kwargs`` are the view's other URL arguments. Arguments and errors
    are otherwise those of :func:`make_token`; :exc:`~django.urls.NoReverseMatch` is raised for
    an unknown view.
    """
    token = make_token(profile, claims, lifetime=lifetime)
    _, kind = _link_profile(profile)
    arguments = dict(kwargs or {})
    try:
        path = reverse(viewname, kwargs={**arguments, kind.parameter: token})
    except NoReverseMatch:
        path = reverse(viewname, kwargs=arguments)
        path = f"{path}?{urlencode({kind.parameter: token})}"
    return request.build_absolute_uri(path)


def _link_profile(name: str) -> tuple[Profile, Link]:
    profile = get_profile(name)
    if not isinstance(profile.kind, Link):
        raise ImproperlyConfigured(f"The profile {name!r} is not of the kind 'link'.")
    return profile, profile.kind


def _seconds(lifetime: float | timedelta | None, profile: Profile) -> int:
    longest = profile.rules.max_lifetime
    if lifetime is None:
        return int(longest or 0)
    seconds = lifetime.total_seconds() if isinstance(lifetime, timedelta) else lifetime
    if not 0 < seconds <= (longest or 0):
        raise ValueError(
            f"lifetime must be above 0 and at most {longest:g} seconds, the MAX_LIFETIME of "
            f"the profile {profile.name!r}, not {seconds:g}."
        )
    return int(seconds)


def _signing_key(profile: Profile) -> tuple[str | bytes, dict[str, Any]]:
    key: Any = conf.profiles()[profile.name].get("KEY")
    if key is None:
        derived = derived_key(profile.name, settings.SECRET_KEY)
        return derived, {"kid": key_id(derived)}
    if (
        not profile.rules.algorithms[0].startswith("HS")
        or not isinstance(key, str | bytes)
        or looks_like_path(key)
    ):
        raise ImproperlyConfigured(
            f"The KEY of the profile {profile.name!r} cannot sign links. Set a secret for "
            "HS256, or leave KEY out: then it is derived from SECRET_KEY."
        )
    return key, {}
