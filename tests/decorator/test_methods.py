"""A request whose method the view does not handle uses no token up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from tests.tokens.tokens import bearer, signed

guarded = reserve_jti(atomic=False)


class Django(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("read")

    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("done")


class Rest(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Any) -> Response:
        return Response("read")

    def post(self, request: Any) -> Response:
        return Response("done")


class Things(ViewSet):
    authentication_classes = ()
    permission_classes = ()

    def list(self, request: Any) -> Response:
        return Response("read")

    def create(self, request: Any) -> Response:
        return Response("done")


ACTIONS = {"get": "list", "post": "create"}


def dispatching(cls: Any, *args: Any) -> Any:
    decorated = type("Decorated", (cls,), {})
    return method_decorator(guarded, name="dispatch")(decorated).as_view(*args)


VIEWS: dict[str, Callable[..., Any]] = {
    "dispatch()": dispatching(Django),
    "as_view()": guarded(Django.as_view()),
    "as_view(), under another decorator": guarded(csrf_exempt(Django.as_view())),
    "dispatch() of REST framework": dispatching(Rest),
    "as_view() of REST framework": guarded(Rest.as_view()),
    "dispatch() of a view set": dispatching(Things, ACTIONS),
    "as_view() of a view set": guarded(Things.as_view(ACTIONS)),
}


def send(view: Any, method: str, token: str | None = None) -> int:
    headers = bearer(token) if token else {}
    response: HttpResponse = view(RequestFactory().generic(method, "/", headers=headers))
    return response.status_code


@pytest.fixture(autouse=True)
def _no_users(settings: Any) -> None:
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}


@pytest.mark.parametrize("name", VIEWS)
def test_a_method_without_a_handler_uses_nothing_up(name: str) -> None:
    """The view answers 405 by itself, with a token and without one."""
    token = signed()
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        assert send(VIEWS[name], method) == 405
        assert send(VIEWS[name], method, token) == 405
    assert replay_cache.count() == 0
    assert send(VIEWS[name], "POST", token) == 200
    assert send(VIEWS[name], "POST", token) == 401


@pytest.mark.parametrize("name", VIEWS)
def test_options_is_answered_by_the_view(name: str) -> None:
    """A browser's preflight carries no token."""
    assert send(VIEWS[name], "OPTIONS") == 200
    assert replay_cache.count() == 0


@pytest.mark.parametrize("name", VIEWS)
def test_head_is_answered_as_get_is(name: str) -> None:
    """HEAD runs the handler for GET, so that it needs a token."""
    assert send(VIEWS[name], "HEAD") == 401
    assert send(VIEWS[name], "HEAD", signed()) == 200
    assert replay_cache.count() == 1


def test_methods_left_out_of_as_view_have_no_handler() -> None:
    """``http_method_names`` may be given to ``as_view()``."""
    view = guarded(Django.as_view(http_method_names=["post", "options"]))
    assert send(view, "GET", signed()) == 405
    assert replay_cache.count() == 0


@pytest.mark.parametrize(
    "view",
    [
        guarded(Django.as_view(http_method_names=["get"])),
        guarded(type("PostOnly", (View,), {"post": Django.post}).as_view()),
        guarded(Things.as_view({"post": "create"})),
    ],
    ids=["without HEAD", "without GET", "view set without GET"],
)
def test_head_is_no_method_of_a_view_that_answers_no_head(view: Any) -> None:
    """The view answers 405 by itself, with a token and without one."""
    for token in (None, signed()):
        assert send(view, "HEAD", token) == 405
    assert replay_cache.count() == 0


def test_a_method_of_a_view_that_is_no_handler_is_guarded_for_all() -> None:
    """What calls it decides for which methods, not the handlers that stand beside it."""

    class Own(Django):
        def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
            return self.answer(request)

        @method_decorator(guarded)
        def answer(self, request: Any) -> HttpResponse:
            return HttpResponse("done")

    for method in ("POST", "PUT", "OPTIONS"):
        assert send(Own.as_view(), method) == 401
        assert send(Own.as_view(), method, signed()) == 200


def test_an_object_that_can_be_called_is_guarded_for_every_method() -> None:
    """It has neither a name nor handlers."""

    class Done:
        def __call__(self, request: Any) -> HttpResponse:
            return HttpResponse("done")

    for method in ("GET", "PUT", "OPTIONS"):
        assert send(guarded(Done()), method) == 401
        assert send(guarded(Done()), method, signed()) == 200


def test_a_dispatch_that_has_no_handlers_is_guarded() -> None:
    """A class that answers in ``dispatch()`` itself handles every method."""

    @method_decorator(guarded, name="dispatch")
    class Own(View):
        def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
            return HttpResponse("done")

    for method in ("GET", "PUT", "OPTIONS"):
        assert send(Own.as_view(), method) == 401


def test_a_function_is_guarded_for_every_method() -> None:
    """It has no handlers that tell which methods it answers."""
    view = guarded(lambda request: HttpResponse("done"))
    for method in ("GET", "PUT", "OPTIONS"):
        assert send(view, method) == 401


async def test_an_async_view_is_treated_alike() -> None:
    """``as_view()`` of a class with async handlers is awaited."""

    class Async(View):
        async def post(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("done")

    for view in (dispatching(Async), guarded(Async.as_view())):
        token = signed()
        for method, expected in (("PUT", 405), ("OPTIONS", 200), ("POST", 200), ("POST", 401)):
            request = RequestFactory().generic(method, "/", headers=bearer(token))
            assert (await view(request)).status_code == expected
