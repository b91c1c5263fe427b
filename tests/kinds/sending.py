"""Requests to views of each kind, sync and async, and what is said of the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti

FORM = "application/x-www-form-urlencoded"


class Site:
    """A view behind a profile, which counts its runs and notes what it was given."""

    def __init__(self, profile: Any, *, is_async: bool, **options: Any) -> None:
        self.requests: list[Any] = []
        self.answer: Callable[[Any], HttpResponse] = lambda request: HttpResponse("done")
        self._is_async = is_async
        decorate = reserve_jti(profile, **options)

        def view(request: HttpRequest) -> HttpResponse:
            self.requests.append(request)
            return self.answer(request)

        async def aview(request: HttpRequest) -> HttpResponse:
            return view(request)

        self._view: Any = decorate(aview if is_async else view)

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request, to an async view on an event loop that ends with it."""
        if self._is_async:

            async def send() -> HttpResponse:
                response: HttpResponse = await self._view(request)
                return response

            return asyncio.run(send())
        response: HttpResponse = self._view(request)
        return response

    def post(self, form: Any, content_type: str = FORM, **headers: str) -> HttpResponse:
        """Send a form, or a body."""
        from urllib.parse import urlencode

        body = urlencode(form) if isinstance(form, dict | list) else form
        return self.send(
            RequestFactory().post("/", body, content_type=content_type, headers=headers)
        )


def said(response: HttpResponse) -> tuple[int, str | None]:
    """Return the status and the error code of an answer."""
    if response.status_code == 200:
        return 200, None
    assert response.headers["Cache-Control"] == "no-store"
    return response.status_code, json.loads(response.content).get("error")


def nothing_happened(site: Site) -> bool:
    """Return whether no view ran and no jti is reserved."""
    return site.requests == [] and replay_cache.count() == 0
