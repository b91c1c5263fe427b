"""Issuers that a function knows, or that look like one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from inspect import CORO_CLOSED, getcoroutinestate
from typing import Any

import pytest

from jti_replay.exceptions import KeysUnavailable
from jti_replay.tokens.issuers import IssuerRule, issuers_from_setting

from . import issuer_functions
from .answers import (
    assert_inside,
    assert_invalid,
    assert_nothing_reserved,
    assert_unavailable,
)
from .tokens import signed

Knock = Callable[..., Any]
Configure = Callable[..., None]

FUNCTIONS = "tests.tokens.issuer_functions"
OTHER = "The token is from another issuer."


@pytest.mark.parametrize(
    "function",
    [issuer_functions.customers, f"{FUNCTIONS}.customers", issuer_functions.Customers()],
)
def test_a_function_says_which_issuers_are_accepted(
    knock: Knock, configure: Configure, function: Any
) -> None:
    configure(ISSUER=function)
    response = knock(signed(iss="https://customer-7.example"))
    assert_inside(response)
    assert response.reservation.namespace == "https://customer-7.example"
    assert_invalid(knock(signed(iss="https://evil.example")), OTHER)
    assert_invalid(knock(signed(iss=None)), "The token has no iss claim.")


def test_a_function_is_only_asked_about_a_str(knock: Knock, configure: Configure) -> None:
    asked: list[Any] = []

    def remember(iss: str) -> bool:
        asked.append(iss)
        return True

    configure(ISSUER=remember)
    for iss in (None, 7, True, [], {}, ["https://issuer.example"]):
        assert_invalid(knock(signed(iss=iss)))
    assert asked == []
    assert_inside(knock(signed(iss="any")))
    assert set(asked) == {"any"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("failing", "failing() failed for 'x': OSError: the list of customers is gone"),
        (
            "nothing",
            "nothing() returned NoneType for 'x'. Let it return True or False.",
        ),
        ("number", "returned int"),
        ("coroutine", "returned coroutine"),
    ],
)
def test_a_function_that_does_not_answer_is_answered_503(
    knock: Knock, configure: Configure, caplog: pytest.LogCaptureFixture, name: str, says: str
) -> None:
    configure(ISSUER=f"{FUNCTIONS}.{name}")
    assert_unavailable(knock(signed(iss="x")))
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert says in record.getMessage()
    assert_nothing_reserved()


def test_a_coroutine_is_closed() -> None:
    """Or else Python would warn that nobody awaits it, far from the function."""
    answer = issuer_functions.coroutine("x")
    rule = IssuerRule(function=lambda iss: answer)
    with pytest.raises(KeysUnavailable):
        rule.accepts("x")
    assert getcoroutinestate(answer) == CORO_CLOSED


@pytest.mark.parametrize(
    "name", ["accounts.google.com", "tests.example", "tests.tokens.example", "no.such.module"]
)
def test_a_str_that_looks_like_a_path_may_be_an_issuer(
    knock: Knock, configure: Configure, name: str
) -> None:
    """It is a path only if it can be imported."""
    configure(ISSUER=name)
    assert_inside(knock(signed(iss=name)))
    assert_invalid(knock(signed(iss="x")), OTHER)


def test_a_list_holds_names_only(knock: Knock, configure: Configure) -> None:
    path = f"{FUNCTIONS}.customers"
    configure(ISSUER=[path, "accounts.google.com"])
    assert_inside(knock(signed(iss=path)))
    assert_invalid(knock(signed(iss="https://customer-7.example")), OTHER)


def test_a_rule_says_what_it_accepts() -> None:
    assert str(issuers_from_setting(["a", "b"])) == "'a', 'b'"
    assert str(issuers_from_setting("a")) == "'a'"
    rule = IssuerRule(function=issuer_functions.Customers())
    assert str(rule) == "what the ISSUER function Customers() accepts"
    assert len(str(issuers_from_setting(["x" * 50] * 10))) == 200
