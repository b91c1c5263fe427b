"""Where the token is looked for: in one Authorization header, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import RequestFactory

from jti_replay import TokenInvalid
from jti_replay.decorators import reserve_jti
from jti_replay.kinds.bearer import Bearer
from tests.tokens.answers import (
    assert_inside,
    assert_invalid,
    assert_missing,
    assert_nothing_reserved,
)
from tests.tokens.doors import async_view, view
from tests.tokens.tokens import signed

Knock = Callable[..., Any]
NOT_ONE = "The Authorization header does not hold exactly one token."


def authorization(value: str) -> dict[str, Any]:
    return {"headers": {"Authorization": value}}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_may_be_in_any_case(knock: Knock, scheme: str) -> None:
    assert_inside(knock(**authorization(f"{scheme} {signed()}")))


@pytest.mark.parametrize("value", ["  Bearer {}", "Bearer    {}", "Bearer {}  "])
def test_blanks_around_the_token_do_not_matter(knock: Knock, value: str) -> None:
    assert_inside(knock(**authorization(value.format(signed()))))


def test_without_a_header_there_is_no_token(knock: Knock) -> None:
    assert_missing(knock())
    assert_nothing_reserved()


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "bearer\t",
        "Basic dXNlcjpwYXNzd29yZA==",
        "DPoP {}",
        "BearerX {}",
        "Bearer{}",
        "{}",
        "Token {}",
        "Basic x, Bearer {}",
        "Basic x,Bearer {}",
    ],
)
def test_another_scheme_or_none_is_no_token(knock: Knock, value: str) -> None:
    assert_missing(knock(**authorization(value.format(signed()))))
    assert_nothing_reserved()


@pytest.mark.parametrize(
    "value",
    [
        "Bearer {0},Bearer {0}",
        "Bearer {0}, Bearer {0}",
        "Bearer {0},Bearer {1}",
        "Bearer {0}, Bearer {1}",
        "Bearer {0} {1}",
        "Bearer {0} Bearer {1}",
        "Bearer {0}, Basic x",
        "Bearer {0},",
        "Bearer ,{0}",
        "Bearer {0};",
        "Bearer\t{0}",
        'Bearer "{0}"',
        "Bearer {0}\x00",
        "Bearer \x00",
        "Bearer t\xf6ken",
        "Bearer {0}\xe9",
        "Bearer \u212a\u017f.\u212a.\u017f",  # Letters that are k and s if case is ignored.
        "Bearer \ud800",
        "Bearer ====",
        "Bearer {0}=x",
    ],
)
def test_more_than_a_token_or_none_that_could_be_one_is_refused(
    knock: Knock, value: str
) -> None:
    assert_invalid(knock(**authorization(value.format(signed(), signed()))), NOT_ONE)
    assert_nothing_reserved()


@pytest.mark.parametrize("garbage", ["x", "-", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d.e"])
def test_what_is_no_jwt_is_malformed(knock: Knock, garbage: str) -> None:
    assert_invalid(knock(garbage), "The token is malformed.")
    assert_nothing_reserved()


@pytest.mark.parametrize("length", [10_000, 1_000_000])
def test_a_very_long_header_is_refused(knock: Knock, length: int) -> None:
    assert_invalid(knock("a" * length))
    assert_invalid(knock("=" * length), NOT_ONE)
    assert_invalid(knock("a" * length + ","), NOT_ONE)
    assert_invalid(knock(signed() + "a" * length))
    assert_nothing_reserved()


async def test_two_headers_of_an_asgi_request_are_refused() -> None:
    """Even if both carry the same token. Django joins them with a comma."""
    header = (b"authorization", f"Bearer {signed()}".encode())
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [header, header]}
    request = ASGIRequest(scope, BytesIO())
    guarded: Any = reserve_jti(async_view)
    assert_invalid(await guarded(request), NOT_ONE)
    assert_nothing_reserved()


@pytest.mark.parametrize("name", ["access_token", "token", "jwt", "authorization"])
def test_the_query_string_is_not_looked_at(knock: Knock, name: str) -> None:
    assert_missing(knock(query_params={name: signed()}))
    assert_nothing_reserved()


def test_the_body_and_other_headers_are_not_looked_at() -> None:
    token = signed()
    request = RequestFactory().post(
        "/",
        {"access_token": token, "token": token},
        headers={
            "Proxy-Authorization": f"Bearer {token}",
            "X-Authorization": f"Bearer {token}",
            "Cookie": f"access_token={token}; token={token}",
        },
    )
    assert_missing(reserve_jti(atomic=False)(view)(request))
    assert_nothing_reserved()


def test_a_description_cannot_break_out_of_its_header() -> None:
    """Such as that of a TokenInvalid that a key function of the project raises."""
    request = RequestFactory().get("/")
    response = Bearer("default", {}).refuse(
        request, TokenInvalid('say "hi"\\\r\nX-Evil: 1\u2028\ud800é')
    )
    assert response["WWW-Authenticate"] == (
        'Bearer error="invalid_token", error_description="say ?hi????X-Evil: 1???"'
    )
    assert "X-Evil" not in response.headers
