"""Views behind the decorator, and requests to them without a server."""

from __future__ import annotations

import asyncio
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from jti_replay.decorators import reserve_jti

from .tokens import bearer


class Inside(HttpResponse):
    """The answer of a view that was reached."""

    def __init__(self, request: Any) -> None:
        super().__init__("inside")
        self.claims = request.jwt_claims
        self.reservation = request.jti_reservation


def view(request: HttpRequest) -> Inside:
    return Inside(request)


async def async_view(request: HttpRequest) -> Inside:
    return Inside(request)


def request_with(token: str | None = None, **kwargs: Any) -> HttpRequest:
    if token is not None:
        kwargs["headers"] = bearer(token)
    return RequestFactory().get("/", **kwargs)


def knock(token: str | None = None, *, profile: str = "default", **kwargs: Any) -> Any:
    """Send a request to a sync view."""
    door = reserve_jti(profile, atomic=False)(view)
    return door(request_with(token, **kwargs))


async def aknock(token: str | None = None, *, profile: str = "default", **kwargs: Any) -> Any:
    """Send a request to an async view, on the running event loop."""
    door: Any = reserve_jti(profile)(async_view)
    return await door(request_with(token, **kwargs))


def knock_on_a_new_loop(token: str | None = None, **kwargs: Any) -> Any:
    """Send a request to an async view, on an event loop that ends with it."""
    return asyncio.run(aknock(token, **kwargs))
