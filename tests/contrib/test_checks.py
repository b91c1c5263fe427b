"""A profile that does not exist is found by ``check``, wherever a framework is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.urls import clear_url_caches, include, path
from django.utils.decorators import method_decorator
from ninja import NinjaAPI, Router
from ninja.decorators import decorate_view
from rest_framework.decorators import (
    action,
    api_view,
    authentication_classes,
    permission_classes,
)
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from jti_replay.contrib.ninja import JTIAuth
from jti_replay.contrib.rest_framework import JTIAuthentication, SingleUse
from jti_replay.decorators import reserve_jti
from tests.contrib.exchange import Elsewhere
from tests.tokens.tokens import CACHES, PROFILE, bearer, signed

pytestmark = pytest.mark.usefixtures("rest_framework")


class CIAuthentication(JTIAuthentication):
    profile = "ci"


class Once(SingleUse):
    profile = "ci"


def end(self: Any, request: Any) -> Response:
    return Response({})


class Jobs(APIView):
    authentication_classes: Any = [Elsewhere]
    post = end


def view(**attributes: Any) -> Any:
    """Return a class of REST framework with other attributes."""
    return type("Variant", (Jobs,), attributes)


def function(*decorators: Any) -> Any:
    """Return a function of REST framework, decorated from the innermost to the outermost."""

    def answer(request: Any) -> Response:
        return Response({})

    for decorator in (permission_classes([]), *decorators):
        answer = decorator(answer)
    return answer


def view_set(**attributes: Any) -> Any:
    """Return the URLs of a view set with some actions."""
    router = SimpleRouter()
    attributes["authentication_classes"] = [Elsewhere]
    router.register("", type("Variant", (ViewSet,), attributes), basename="jobs")
    return include((router.urls, "jobs"))


def action_with_options() -> Any:
    @action(["post"], detail=False, permission_classes=[Once])
    def end(self: Any, request: Any) -> Response:
        return Response({})

    return end


def ninja(
    decorator: Any = None, *, api: Any = None, router: Any = None, own: Any = None
) -> Any:
    """Return the URLs of an API of Ninja that asks for a token in one of several places."""

    def operation(request: Any) -> Any:
        return {}

    made, part = NinjaAPI(auth=api), Router(auth=router) if router else Router()
    options = {"auth": own} if own else {}
    part.post("", **options)(decorator(operation) if decorator else operation)
    made.add_router("", part)
    return made.urls


decorate = reserve_jti("ci", atomic=False)
on_method = method_decorator(decorate)

by_class = {"authentication_classes": [CIAuthentication]}

PLACES: dict[str, Callable[[], Any]] = {
    "class": lambda: view(**by_class).as_view(),
    "permission": lambda: view(permission_classes=[Once]).as_view(),
    "permissions": lambda: view(permission_classes=[IsAuthenticated & Once]).as_view(),
    "as_view()": lambda: view().as_view(**by_class),
    "dispatch": lambda: method_decorator(decorate, name="dispatch")(view()).as_view(),
    "handler": lambda: view(post=on_method(end)).as_view(),
    "class of api_view()": lambda: function(
        authentication_classes([CIAuthentication]), api_view(["POST"])
    ),
    "below api_view()": lambda: function(decorate, api_view(["POST"])),
    "above api_view()": lambda: function(api_view(["POST"]), decorate),
    "view set": lambda: view_set(create=end, permission_classes=[Once]),
    "action": lambda: view_set(create=on_method(end)),
    "options of an action": lambda: view_set(end=action_with_options()),
    "API": lambda: ninja(api=JTIAuth("ci")),
    "router": lambda: ninja(router=JTIAuth("ci")),
    "operation": lambda: ninja(own=[JTIAuth("ci")]),
    "below the operation": lambda: ninja(decorate),
    "around the operation": lambda: ninja(decorate_view(decorate)),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_profile_is_asked_for_in_each_place(place: str, settings: Any) -> None:
    """What ``check`` names, once, is what the view asks for."""
    settings.ROOT_URLCONF = (path("", PLACES[place]()),)
    clear_url_caches()
    where, headers = "/end/" if "options" in place else "/", bearer(signed())
    assert [Client().post(where, headers=headers).status_code for _ in range(2)] == [200, 401]
    assert [m for m in run_checks() if m.id == "jti_replay.E045"] == []
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}
    [message] = [m for m in run_checks() if m.id == "jti_replay.E045"]
    assert "'ci'" in message.msg


def test_a_class_that_an_argument_replaces_is_not_asked_for(settings: Any) -> None:
    """Of as_view()."""
    replaced = view(**by_class).as_view(authentication_classes=[Elsewhere])
    settings.ROOT_URLCONF = (path("", replaced),)
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {}}
    clear_url_caches()
    assert [m for m in run_checks() if m.id == "jti_replay.E045"] == []
