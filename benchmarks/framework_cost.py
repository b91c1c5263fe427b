"""What the integrations cost beside the decorator, on the same request of each framework."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jwt
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.test import RequestFactory, override_settings
from django.urls import path
from django.utils.decorators import method_decorator

from jti_replay.decorators import reserve_jti

from .method import compare, fresh_jtis, progress
from .request_cost import answer_all

BATCH = 100
SECRET = b"s" * 32
DECORATOR, INTEGRATION = "reserve_jti(atomic=False)", "the integration"
PROFILE = {"ISSUER": "https://issuer.example", "ALGORITHMS": ["HS256"], "KEY": SECRET}


def measure(rounds: int) -> dict[str, Any]:
    """Return the costs of a request, by framework."""
    settings = {
        "ALLOWED_HOSTS": ["*"],
        "REST_FRAMEWORK": {"UNAUTHENTICATED_USER": None},
        "JTI_REPLAY": {"PROFILES": {"default": PROFILE}},
    }
    with override_settings(**settings):
        return {
            "REST framework": _costs("REST framework", _rest_framework(), rounds),
            "django-ninja": _costs("django-ninja", _ninja(), rounds),
        }


def _costs(framework: str, urls: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    progress(f"a request of {framework}")

    class URLs:
        urlpatterns: ClassVar = [path(f"{at}/", view) for at, view in enumerate(urls.values())]

    def environs(at: int) -> list[dict[str, Any]]:
        now = int(time.time())
        claims = {"iss": PROFILE["ISSUER"], "sub": "job", "iat": now, "exp": now + 300}
        tokens = (jwt.encode({**claims, "jti": jti}, SECRET) for jti in fresh_jtis(BATCH))
        headers = ({"Authorization": f"Bearer {token}"} for token in tokens)
        return [factory.post(f"/{at}/", headers=each).environ for each in headers]

    def batches() -> Mapping[str, tuple[Callable[[], object], int]]:
        return {
            name: (answer_all(handler, environs(at)), BATCH) for at, name in enumerate(urls)
        }

    with override_settings(ROOT_URLCONF=URLs):
        factory, handler = RequestFactory(), WSGIHandler()
        return compare(batches, base=DECORATOR, rounds=rounds, clock=time.thread_time_ns)


def _rest_framework() -> Mapping[str, Any]:
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from jti_replay.contrib.rest_framework import JTIAuthentication

    class Plain(APIView):
        authentication_classes = ()
        permission_classes = ()

        def post(self, request: Any) -> Response:
            return Response({"sub": "job"})

    @method_decorator(reserve_jti(atomic=False), name="dispatch")
    class Decorated(Plain):
        pass

    class Authenticated(Plain):
        authentication_classes = (JTIAuthentication,)

    return {DECORATOR: Decorated.as_view(), INTEGRATION: Authenticated.as_view()}


def _ninja() -> Mapping[str, Any]:
    from ninja import NinjaAPI

    from jti_replay.contrib.ninja import JTIAuth

    def view(request: HttpRequest) -> dict[str, str]:
        return {"sub": "job"}

    decorated, authenticated = NinjaAPI(version="1"), NinjaAPI(version="2")
    decorated.post("/")(reserve_jti(atomic=False)(view))
    authenticated.post("/", auth=JTIAuth())(view)
    return {DECORATOR: decorated.urls, INTEGRATION: authenticated.urls}
