"""Which of several profiles judges a request: the one that accepts the token's issuer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from django.core.exceptions import ImproperlyConfigured

from jti_replay.exceptions import TokenInvalid
from jti_replay.profiles import Profile, get_profile
from jti_replay.tokens.parsing import read_unverified
from jti_replay.tokens.quoting import shown


def profile_names(profile: object) -> tuple[str, ...]:
    """
    Return the names of the profiles that a caller asks for: a str, or a list of them.

    Raises :exc:`TypeError` for anything else, and for an empty list.
    """
    names = [profile] if isinstance(profile, str) else profile
    if not isinstance(names, list | tuple) or not names:
        raise TypeError(
            "profile must be the name of a profile, or a list of names, not "
            f"{'an empty list' if names == [] else type(profile).__name__}."
        )
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"The name of a profile must be a str, not {type(name).__name__}.")
    return tuple(names)


def usable_together(names: Sequence[str]) -> tuple[Profile, ...]:
    """
    Return some profiles of which the issuer of a token picks one.

    Raises :exc:`~django.core.exceptions.ImproperlyConfigured` unless they are of one kind, and
    each names issuers of its own.
    """
    profiles = tuple(map(get_profile, names))
    if len(profiles) == 1:
        return profiles
    listed = ", ".join(map(repr, names))
    if len({type(profile.kind) for profile in profiles}) > 1:
        raise ImproperlyConfigured(
            f"The profiles {listed} are of different kinds. Use profiles of one KIND together."
        )
    named = []
    for profile in profiles:
        rule = profile.rules.issuers
        if rule is None:
            raise ImproperlyConfigured(
                f"The profile {profile.name!r} is used together with others ({listed}), and "
                "has no ISSUER to pick it by. Set ISSUER."
            )
        named.append((profile, set(rule.names)))
    for (one, names_of_one), (other, names_of_other) in combinations(named, 2):
        shared = names_of_one & names_of_other
        if shared:
            raise ImproperlyConfigured(
                f"The profiles {one.name!r} and {other.name!r} are used together, and both "
                f"name the issuer {min(shared)!r}. Let only one of them name it."
            )
    return profiles


def pick(profiles: Sequence[Profile], token: str) -> Profile:
    """
    Return the first profile that accepts the issuer that a token names. It is not verified
    yet: the profile judges it.

    Raises :exc:`~jti_replay.TokenInvalid` if there is none, and
    :exc:`~jti_replay.KeysUnavailable` if a function of ISSUER fails.
    """
    iss = read_unverified(token).claims.get("iss")
    for profile in profiles:
        rule = profile.rules.issuers
        if isinstance(iss, str) and rule is not None and rule.accepts(iss):
            return profile
    raise TokenInvalid(
        "The token is from another issuer.",
        claim="iss",
        detail=f"Its iss is {shown(iss)}, which none of the profiles "
        f"{', '.join(repr(profile.name) for profile in profiles)} accepts.",
    )
