"""The profiles of ``JTI_REPLAY["PROFILES"]``: how a token is verified, and where it is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from jti_replay import conf
from jti_replay.conf.refusal import refuse_errors
from jti_replay.kinds import BaseKind
from jti_replay.tokens.claims import unexpected_event
from jti_replay.tokens.rules import TokenRules
from jti_replay.tokens.verification import VerifiedToken

from .access_token import AccessTokenJudge, access_token_judge
from .checks import check_profile, check_section
from .kind import kind_from_settings, rules_of_kind, with_defaults
from .retention import retention_margin


@dataclass(frozen=True, slots=True)
class Profile:
    """
    How the tokens of a profile are found, verified and kept: its rules, its kind, and the
    alias of the cache that remembers their jtis.
    """

    name: str
    rules: TokenRules
    kind: BaseKind
    cache: str
    retention_margin: float
    """Seconds for which a jti is kept beyond the last moment that its kind names."""
    access_token: AccessTokenJudge | None
    """What judges the access token that comes with each token, if the kind has one."""

    @classmethod
    def from_settings(cls, name: str, params: Mapping[str, Any]) -> Profile:
        """
        Return the profile that the settings describe.

        Raises :exc:`~django.core.exceptions.ImproperlyConfigured` if they cannot work.
        """
        refuse_errors(check_profile(name, params))
        params = with_defaults(name, params)
        kind = kind_from_settings(name, params)
        return cls(
            name=name,
            rules=rules_of_kind(kind, params),
            kind=kind,
            cache=params.get("CACHE", conf.DEFAULT_ALIAS),
            retention_margin=retention_margin(params),
            access_token=(
                access_token_judge(kind.options["access_token"])
                if kind.needs_access_token(kind.options)
                else None
            ),
        )

    def check(self, token: VerifiedToken, request: HttpRequest) -> None:
        """
        Judge what the kind asks for of a token that the rules accept.

        Raises :exc:`~jti_replay.TokenInvalid`.
        """
        if "events" in token.claims and not self.kind.takes_events:
            raise unexpected_event()
        self.kind.check(token.header, token.claims, request)


_profiles: dict[str, Profile] = {}


def get_profile(name: str) -> Profile:
    """
    Return a profile by its name.

    Raises :exc:`~django.core.exceptions.ImproperlyConfigured` if there is none, or if its
    settings cannot work.
    """
    profile = _profiles.get(name)
    if profile is None:
        profiles = conf.profiles()
        refuse_errors(check_section(profiles))
        if name not in profiles:
            raise ImproperlyConfigured(f"{conf.SETTING} has no profile named {name!r}.")
        # Two threads that come first get the same one, and its keys.
        profile = _profiles.setdefault(name, Profile.from_settings(name, profiles[name]))
    return profile


def put_profile(name: str, profile: Profile) -> None:
    """Let a profile be another one, until the settings change: for tests."""
    _profiles[name] = profile


def reset() -> None:
    """Forget all profiles and the keys that they have fetched. They are built again."""
    _profiles.clear()


# A fork may catch a fetch of keys half-way, and its thread does not come along.
os.register_at_fork(after_in_child=reset)
