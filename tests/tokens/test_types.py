"""The type that a token declares (RFC 8725 3.11)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jti_replay.tokens.types import TypeRule, media_type

from .answers import assert_inside, assert_invalid, assert_nothing_reserved
from .tokens import assembled, good_claims

Knock = Callable[..., Any]
Configure = Callable[..., None]

REFUSED = "The token is of a type that is not accepted (typ)."


def typed(typ: Any) -> str:
    """Return a good token whose typ is this, or that has none."""
    header = {"alg": "HS256"} | ({} if typ is ... else {"typ": typ})
    return assembled(json.dumps(header).encode(), json.dumps(good_claims()).encode())


@pytest.mark.parametrize("setting", ["job+jwt", ["JWT", "job+jwt"], ("application/Job+JWT",)])
def test_typ_names_the_types_that_are_accepted(
    knock: Knock, configure: Configure, setting: Any
) -> None:
    """Case is ignored, and application/ may be left out (RFC 7515 4.1.9)."""
    configure(TYP=setting)
    for typ in ("job+jwt", "JOB+JWT", "application/job+jwt", "Application/Job+Jwt"):
        assert_inside(knock(typed(typ)))
    for typ in ("other+jwt", "job", "text/job+jwt", "application/", "x/job+jwt", "jobjwt"):
        assert_invalid(knock(typed(typ)), REFUSED)


def test_with_typ_a_token_without_one_is_refused(knock: Knock, configure: Configure) -> None:
    configure(TYP="JWT")
    assert_inside(knock(typed("JWT")))
    assert_invalid(knock(typed("")), REFUSED)
    assert_invalid(knock(typed(...)), REFUSED)


@pytest.mark.parametrize("typ", ["JWT", "", "anything", "application/anything", "x/y", ...])
def test_without_typ_any_is_accepted(knock: Knock, typ: Any) -> None:
    assert_inside(knock(typed(typ)))


@pytest.mark.parametrize(
    "typ", ["at+jwt", "logout+jwt", "dpop+jwt", "Application/SecEvent+JWT"]
)
def test_but_not_those_of_other_kinds(knock: Knock, typ: str) -> None:
    assert_invalid(knock(typed(typ)), REFUSED)
    assert_nothing_reserved()


@pytest.mark.parametrize("typ", [None, 7, True, ["JWT"], {}])
def test_a_type_that_is_no_str_is_refused(knock: Knock, typ: Any) -> None:
    assert_invalid(knock(typed(typ)))
    assert_nothing_reserved()


def test_a_rule_says_what_it_accepts() -> None:
    assert str(TypeRule.any_but(["b+jwt", "a+jwt"])) == "any but a+jwt, b+jwt"
    assert str(TypeRule.only(["JWT", "x/y"])) == "jwt, x/y"
    assert str(TypeRule.only(["JWT"], may_be_absent=True)) == "jwt, or none"


def test_absent_and_reserved_types_are_told_apart() -> None:
    assert TypeRule.any_but(["a"]).accepts(None)
    assert not TypeRule.only(["a"]).accepts(None)
    assert TypeRule.only(["a"], may_be_absent=True).accepts(None)
    assert media_type("JWT") == "application/jwt"
    assert media_type("Text/X") == "text/x"
