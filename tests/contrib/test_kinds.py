"""Each kind of token through each framework: a first use, a replay, and no token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import clear_url_caches, path
from django.utils.decorators import method_decorator
from ninja import Form, NinjaAPI, Status
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from jti_replay import replay_cache
from jti_replay.contrib.ninja import JTIAuth, add_exception_handlers
from jti_replay.contrib.rest_framework import JTIAuthentication, SingleUse
from jti_replay.decorators import reserve_jti
from jti_replay.testing import TokenFactory
from tests.contrib.exchange import Elsewhere
from tests.kinds.security_events import PROFILE as FEED
from tests.kinds.test_client_assertion import PROFILE as CLIENTS
from tests.kinds.test_client_assertion import form
from tests.tokens.tokens import CACHES, PROFILE

OWN = "tests.testing.test_token_factory.Header"
KINDS = ("bearer", "client_assertion", "jwt_bearer_grant", OWN)
SHAPING: dict[str, tuple[dict[str, Any], int]] = {
    "logout_token": (PROFILE | {"KIND": "logout_token"}, 400),
    "security_event": (FEED, 202),
    "link": ({"KIND": "link"}, 410),
}
"""Kinds whose endpoints have answers of their own: the profile, and the status of a replay."""

View = Callable[[Any], int]
"""What an endpoint does: it returns a status."""


def profiled(gate: Any) -> Any:
    return type("Gate", (gate,), {"profile": "ci"})


def view_class(view: View, **attributes: Any) -> Any:
    """Return a class of REST framework, by default one that asks for nothing."""

    def post(self: Any, request: Any) -> Response:
        return Response({}, status=view(request))

    attributes = {"authentication_classes": [], "permission_classes": []} | attributes
    return type("View", (APIView,), {"post": post, **attributes})


def urls(view: Any, **options: Any) -> Any:
    """Return the URLs of an API of Ninja with one operation."""

    def operation(request: Any) -> Any:
        answer = view(request)
        return Status(answer, {}) if isinstance(answer, int) else answer

    api = NinjaAPI()
    api.post("", response=dict.fromkeys((200, 202, 400), Any), **options)(operation)
    add_exception_handlers(api)
    return api.urls


def by_class(view: View) -> Any:
    return view_class(view, authentication_classes=[profiled(JTIAuthentication)]).as_view()


def by_permission(view: View) -> Any:
    once = IsAuthenticated & profiled(SingleUse)
    gates = {"authentication_classes": [Elsewhere], "permission_classes": [once]}
    return view_class(view, **gates).as_view()


def by_dispatch(view: View) -> Any:
    decorate = method_decorator(reserve_jti("ci", atomic=False), name="dispatch")
    return decorate(view_class(view)).as_view()


def by_auth(view: View) -> Any:
    return urls(view, auth=JTIAuth("ci"))


def by_operation(view: View) -> Any:
    return urls(reserve_jti("ci", atomic=False)(view))


@pytest.fixture
def serve(settings: Any) -> Callable[..., Client]:
    """Give a function that serves a guarded view, beside one that is decorated."""

    def serve(guard: Callable[[View], Any], profile: Any, *statuses: int) -> Client:
        settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"ci": profile}}
        settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
        answers = list(statuses)
        views = [
            path("decorated", reserve_jti("ci", atomic=False)(lambda request: None)),
            path("", guard(lambda request: answers.pop(0))),
        ]
        settings.ROOT_URLCONF = tuple(views)
        clear_url_caches()
        return Client()

    return serve


def said(response: Any) -> tuple[int, bytes, set[tuple[str, str]]]:
    """Return what an answer says, without what a framework adds to it."""
    ours = ("WWW-Authenticate", "Cache-Control", "Retry-After", "Pragma", "Referrer-Policy")
    headers = {(name, response.headers[name]) for name in ours if name in response.headers}
    content = response.content.replace(b'": ', b'":').replace(b', "', b',"')
    return response.status_code, content, headers


@pytest.mark.parametrize("guard", [by_class, by_permission, by_dispatch, by_auth, by_operation])
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_answered_as_by_the_decorator(
    serve: Callable[..., Client], kind: str, guard: Any
) -> None:
    """A replay and a request without a token, after one use."""
    profile = PROFILE | {"KIND": kind}
    if kind == "client_assertion":
        del profile["ISSUER"]
    client = serve(guard, profile, 200)
    with TokenFactory("ci") as tokens:
        sent = tokens.request(tokens.token())
        assert client.post("/", **sent).status_code == 200
        for request in (sent, tokens.request(None)) if kind != OWN else (sent,):
            refused = said(client.post("/", **request))
            assert refused == said(client.post("/decorated", **request))
            assert refused[0] >= 400
    assert replay_cache.count() == 1


@pytest.mark.parametrize("guard", [by_dispatch, by_operation])
@pytest.mark.parametrize("kind", SHAPING)
def test_a_kind_that_shapes_answers_goes_by_the_decorator(
    serve: Callable[..., Client], kind: str, guard: Any
) -> None:
    """Each answers a replay in its own way."""
    profile, replay = SHAPING[kind]
    client = serve(guard, profile, 202)
    with TokenFactory("ci") as tokens:
        sent = tokens.request(tokens.token())
        statuses = [client.post("/", **sent).status_code for _ in range(2)]
    assert statuses == [202, replay]


@pytest.mark.parametrize("guard", [by_dispatch, by_operation])
def test_an_event_that_was_not_taken_can_be_sent_again(
    serve: Callable[..., Client], guard: Any
) -> None:
    """Its transmitter retries until it is told that it was."""
    client = serve(guard, FEED, 400, 202)
    with TokenFactory("ci") as tokens:
        sent = tokens.request(tokens.token())
        statuses = [client.post("/", **sent).status_code for _ in range(3)]
    assert statuses == [400, 202, 202]


def test_a_token_endpoint_of_ninja_reads_the_form_as_well(settings: Any) -> None:
    """The assertion that authenticates the client is in it."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"clients": CLIENTS}}
    api = NinjaAPI()

    @api.post("token", auth=JTIAuth("clients"))
    def token(request: Any, grant_type: str = Form(...)) -> Any:
        return {"client": request.client_id, "type": grant_type}

    add_exception_handlers(api)
    settings.ROOT_URLCONF = (path("", api.urls),)
    clear_url_caches()
    sent = form()
    assert Client().post("/token", sent).json() == {
        "client": "client 1",
        "type": "client_credentials",
    }
    refused = Client().post("/token", sent)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client")
    incomplete = form()
    del incomplete["grant_type"]
    assert Client().post("/token", incomplete).status_code == 422
    complete = incomplete | {"grant_type": "client_credentials"}
    assert Client().post("/token", complete).status_code == 200
