"""An API of django-ninja, for the tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from django.test import AsyncClient, Client
from django.urls import clear_url_caches, path
from ninja import NinjaAPI, Schema
from ninja.throttling import BaseThrottle

from jti_replay.contrib.ninja import JTIAuth


class Body(Schema):
    number: int


class Full(BaseThrottle):
    def allow_request(self, request: Any) -> bool:
        return False

    def wait(self) -> float:
        return 60


class Site:
    """An API with one operation, sync or async, and the clients of both."""

    def __init__(self, settings: Any, is_async: bool) -> None:
        self._settings = settings
        self._is_async = is_async
        self.api = NinjaAPI(urls_namespace=f"api {id(self)}")
        self.requests: list[Any] = []
        self.answer: Callable[[Any], Any] = lambda request: {"sub": request.auth.get("sub")}

    def post(self, auth: Any = None, decorate: Any = None, **options: Any) -> None:
        """Give the API an operation that takes a body."""

        def sync(request: Any, body: Body) -> Any:
            self.requests.append(request)
            return self.answer(request)

        async def async_(request: Any, body: Body) -> Any:  # Body is text here.
            return sync(request, body)

        view: Any = async_ if self._is_async else sync
        view = decorate(view) if decorate else view
        self.api.post("/", auth=auth or JTIAuth(), **options)(view)

    def send(
        self, headers: Any = None, body: Any = '{"number": 1}', method: str = "post"
    ) -> Any:
        self._settings.ROOT_URLCONF = (path("", self.api.urls),)
        clear_url_caches()
        options = {"content_type": "application/json", "headers": headers or {}}
        if not self._is_async:
            client = Client(raise_request_exception=False)
            return getattr(client, method)("/", body, **options)

        async def send() -> Any:
            client = AsyncClient(raise_request_exception=False)
            response = await getattr(client, method)("/", body, **options)
            # The loop goes on after the answer. A task that fails is another one's to handle.
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*others, return_exceptions=True)
            return response

        return asyncio.run(send())
