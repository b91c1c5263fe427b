"""For how long a jti is kept beyond the last moment at which its own profile accepts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jti_replay import conf

DEFAULT_LEEWAY = 30
"""Seconds of clock skew that are accepted."""


def longest_leeway(params: Mapping[str, Any]) -> float:
    """
    Return the longest ``LEEWAY``, in seconds, of the profiles that share a profile's cache.

    They may share its issuer as well, and then accept each other's tokens. ``params`` are the
    settings of the profile.
    """
    cache = _cache(params)
    return max(
        _leeway(params),
        *(
            _leeway(other)
            for _, other in conf.entries(conf.profiles())
            if _cache(other) == cache
        ),
    )


def _cache(params: Mapping[str, Any]) -> Any:
    return params.get("CACHE", conf.DEFAULT_ALIAS)


def _leeway(params: Mapping[str, Any]) -> float:
    leeway = params.get("LEEWAY", DEFAULT_LEEWAY)
    # What is no number is refused when its own profile is used.
    return leeway if type(leeway) in (int, float) else 0
