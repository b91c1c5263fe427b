"""What is judged by the time of issue, and how long a judgement of times holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest

from jti_replay import TokenInvalid
from jti_replay.tokens.claims import check_times, jti_of
from jti_replay.tokens.rules import TokenRules
from jti_replay.tokens.types import TypeRule

NOW = 1_900_000_000.0
RULES = TokenRules(
    keys=None,
    algorithms=("HS256",),
    issuers=None,
    audiences=(),
    leeway=30,
    max_lifetime=None,
    types=TypeRule.any_but(()),
    jti="required",
    requires_exp=False,
)


def good_for(claims: dict[str, Any], **changes: Any) -> float:
    """Return for how many seconds the times need not be judged again."""
    return check_times(claims, replace(RULES, **changes), NOW) - NOW


def test_a_token_of_no_age_is_judged_once() -> None:
    assert good_for({}) == inf
    assert good_for({"iat": NOW - 10**6, "nbf": NOW}) == inf


def test_a_judgement_holds_until_the_leeway_is_over() -> None:
    assert good_for({"exp": NOW + 60}) == 90
    assert good_for({"iat": NOW - 10}, max_age=60) == 80
    assert good_for({"iat": NOW + 10, "exp": NOW + 60}, max_age=60) == 90
    assert good_for({"iat": NOW - 10, "exp": NOW + 60}, max_age=60) == 80


def test_a_time_is_one_that_a_datetime_can_hold() -> None:
    first, last = -62135596800, 253402300799
    assert datetime.fromtimestamp(first, UTC) == datetime(1, 1, 1, tzinfo=UTC)
    assert datetime.fromtimestamp(last, UTC) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert good_for({"nbf": first}) == inf
    assert good_for({"exp": last}) == last + 30 - NOW
    for beyond in (first - 1, last + 1):
        for name in ("exp", "iat", "nbf"):
            with pytest.raises(TokenInvalid, match=f"claim {name} is not a time"):
                good_for({name: beyond})


def test_the_oldest_token_is_still_accepted() -> None:
    assert good_for({"iat": NOW - 90}, max_age=60) == 0
    with pytest.raises(TokenInvalid, match="made 91 s ago"):
        good_for({"iat": NOW - 91}, max_age=60)


def test_only_the_time_of_issue_is_about_the_clock_of_the_client() -> None:
    with pytest.raises(TokenInvalid, match=r"not valid yet \(iat\): its clock is 31 s ahead"):
        good_for({"iat": NOW + 31}, max_age=60)
    with pytest.raises(TokenInvalid, match=r"not valid yet\.$"):
        good_for({"iat": NOW, "nbf": NOW + 31}, max_age=60)


def test_a_lifetime_is_that_of_tokens_that_end() -> None:
    """A token without exp, where a profile accepts it, is no matter of MAX_LIFETIME."""
    assert good_for({"iat": NOW}, max_lifetime=60) == inf
    with pytest.raises(TokenInvalid, match="longer than 60 seconds"):
        good_for({"exp": NOW + 91}, max_lifetime=60)


def test_where_no_jti_is_asked_for_there_is_none() -> None:
    assert jti_of({"jti": "a"}, b"", replace(RULES, jti="ignored")) == ""
