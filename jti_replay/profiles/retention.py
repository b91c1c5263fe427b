"""For how long a jti is kept beyond the last moment at which its own profile accepts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jti_replay import conf

from .kind import kind_of
from .rules import DEFAULT_LEEWAY


def retention_margin(params: Mapping[str, Any]) -> float:
    """
    Return for how many seconds a jti is kept beyond the last moment that its kind names.

    That is the longest ``LEEWAY`` of the profiles that share a profile's cache: they may share
    its issuer as well, and then accept each other's tokens. One of the same kind with a longer
    ``MAX_AGE`` accepts them for so much longer. ``params`` are the settings of the profile.
    """
    cache, kind, age = _cache(params), kind_of(params), _age(params)
    return max(
        _leeway(params),
        *(
            _leeway(other) + (max(0.0, _age(other) - age) if kind_of(other) is kind else 0.0)
            for _, other in conf.entries(conf.profiles())
            if _cache(other) == cache
        ),
    )


def _age(params: Mapping[str, Any]) -> float:
    return _number(params.get("MAX_AGE", kind_of(params).max_age))


def _cache(params: Mapping[str, Any]) -> Any:
    return params.get("CACHE", conf.DEFAULT_ALIAS)


def _leeway(params: Mapping[str, Any]) -> float:
    return _number(params.get("LEEWAY", DEFAULT_LEEWAY))


def _number(value: Any) -> float:
    # What is no number is refused when its own profile is used.
    return value if type(value) in (int, float) else 0.0
