"""The guards of frameworks, each through the framework's own stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.decorators import method_decorator
from ninja import NinjaAPI
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from jti_replay.contrib.ninja import JTIAuth, add_exception_handlers
from jti_replay.contrib.rest_framework import JTIAuthentication, SingleUse
from jti_replay.decorators import reserve_jti
from tests.contrib.exchange import Elsewhere
from tests.rollback.attempts import Guard

View = Callable[[Any], Any]


def view_class(view: View, **attributes: Any) -> Any:
    """Return a class of REST framework whose handler is a view."""

    def post(self: Any, request: Any) -> Response:
        view(request)
        return Response({})

    return type("View", (APIView,), {"post": post, "permission_classes": [], **attributes})


def by_class(view: View, using: str) -> Any:
    auth = type("Auth", (JTIAuthentication,), {"using": using})
    permissions = [IsAuthenticated]
    made = view_class(view, authentication_classes=[auth], permission_classes=permissions)
    return made.as_view()


def by_permission(view: View, using: str) -> Any:
    once = type("Once", (SingleUse,), {"using": using})
    made = view_class(view, authentication_classes=[Elsewhere], permission_classes=[once])
    return made.as_view()


def by_dispatch(view: View, using: str) -> Any:
    """Put the decorator around the whole of a view whose class asks for the token as well."""
    auth = type("Auth", (JTIAuthentication,), {"using": using})
    made = view_class(view, authentication_classes=[auth])
    return method_decorator(reserve_jti(using=using), name="dispatch")(made).as_view()


def by_auth(view: View, using: str) -> Any:
    return ninja_urls(view, auth=JTIAuth(using=using))


def by_decorator_below(view: View, using: str) -> Any:
    return ninja_urls(reserve_jti(using=using)(view))


def ninja_urls(view: View, **options: Any) -> Any:
    """Return the URLs of an API of Ninja with one operation."""

    def operation(request: Any) -> Any:
        return view(request)

    api = NinjaAPI()
    api.post("/", **options)(operation)
    add_exception_handlers(api)
    return api.urls


GUARDS: dict[str, Guard] = {
    "REST framework's class, ATOMIC_REQUESTS": by_class,
    "REST framework's dispatch": by_dispatch,
    "Ninja's auth, ATOMIC_REQUESTS": by_auth,
    "Ninja's operation": by_decorator_below,
}
