"""REST framework: one admission a request, answers of the kind, and the rollback table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils.decorators import method_decorator
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.versioning import URLPathVersioning
from rest_framework.views import APIView

from jti_replay import replay_cache, signals
from jti_replay.contrib.rest_framework import JTIAuthentication, SingleUse, TokenUser
from jti_replay.decorators import reserve_jti
from tests.contrib.exchange import Elsewhere, Exchange, Serve, variant
from tests.kinds.sending import Site
from tests.tokens.tokens import CACHES, PROFILE, bearer, signed

pytestmark = pytest.mark.usefixtures("rest_framework")


def decorated(response: Any) -> tuple[int, Any, dict[str, str]]:
    """Return what an answer says, without what REST framework adds."""
    ours = ("WWW-Authenticate", "Cache-Control", "Retry-After", "Allow")
    headers = {name: response.headers[name] for name in ours if name in response.headers}
    return response.status_code, response.json(), headers


def test_a_token_passes_once(serve: Serve) -> None:
    """The user is known by sub, and auth are the claims."""
    client, headers = serve(Exchange.as_view()), bearer(signed(sub="job 1"))
    response = client.get("/", headers=headers)
    assert response.status_code == 200
    assert response.json()["sub"] == "job 1"
    assert response.headers["Cache-Control"] == "no-store"
    assert client.get("/", headers=headers).status_code == 401
    assert replay_cache.count() == 1


@pytest.mark.parametrize(
    "make",
    [lambda: None, lambda: "no.jwt", lambda: signed(exp=1), lambda: signed(aud="other")],
)
def test_a_refusal_is_that_of_the_decorator(serve: Serve, make: Callable[[], Any]) -> None:
    """Status, body and headers; no token is a refusal like any other."""
    token = make()
    headers = bearer(token) if token else {}
    view = variant(permission_classes=[AllowAny])
    by_class = serve(view).post("/", headers=headers)
    by_decorator = serve(reserve_jti(atomic=False)(Exchange().post)).post("/", headers=headers)
    status, body, answer = decorated(by_class)
    assert (status, body) == decorated(by_decorator)[:2]
    expected = decorated(by_decorator)[2]
    assert {name: answer[name] for name in expected} == expected
    assert replay_cache.count() == 0


def test_a_replay_and_a_store_that_fails_say_so(serve: Serve, settings: Any) -> None:
    """401 and 503, with the headers of the decorator."""
    client, headers = serve(Exchange.as_view()), bearer(signed())
    assert client.post("/", headers=headers).status_code == 200
    replay = client.post("/", headers=headers)
    assert "already been used" in replay.json()["error_description"]
    assert replay.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    settings.JTI_REPLAY = {
        "CACHES": {"default": CACHES["default"] | {"OPTIONS": {"max_entries": 1}}},
        "PROFILES": {"default": PROFILE},
    }
    assert client.post("/", headers=bearer(signed())).status_code == 200
    response = client.post("/", headers=bearer(signed()))
    assert (response.status_code, response.json()["error"]) == (503, "temporarily_unavailable")
    assert response.headers["Retry-After"] == "5"
    assert response.headers["Cache-Control"] == "no-store"


def test_get_user_may_refuse_before_the_reserve(serve: Serve) -> None:
    """Nothing is used up; authenticate_header keeps the answer a 401."""

    class Strict(JTIAuthentication):
        def get_user(self, claims: Any) -> Any:
            if claims["sub"] != "friend":
                raise AuthenticationFailed("Not you.")
            return super().get_user(claims)

    client = serve(variant(authentication_classes=[Strict]))
    response = client.post("/", headers=bearer(signed(sub="stranger")))
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert replay_cache.count() == 0
    assert client.post("/", headers=bearer(signed(sub="friend"))).status_code == 200


def test_methods_without_a_handler_use_nothing_up(serve: Serve) -> None:
    """OPTIONS neither: they go on with the user of a good token."""
    client, headers = serve(Exchange.as_view()), bearer(signed())
    for method, status in (("put", 405), ("delete", 405), ("options", 200)):
        assert getattr(client, method)("/", headers=headers).status_code == status
    open_client = serve(variant(permission_classes=[SingleUse]))
    for method, status in (("put", 405), ("options", 200)):
        assert getattr(open_client, method)("/").status_code == status
    assert replay_cache.count() == 0
    assert client.post("/", headers=headers).status_code == 200


class First(JTIAuthentication):
    profile = "ci"


def test_the_browsable_api_asks_once(serve: Serve, settings: Any) -> None:
    """It clones the request for the form of each method, also after a refusal."""
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "rest_framework"]
    backend = "django.template.backends.django.DjangoTemplates"
    settings.TEMPLATES = [{"BACKEND": backend, "APP_DIRS": True}]
    classes = {
        "renderer_classes": [BrowsableAPIRenderer, JSONRenderer],
        "put": Exchange.post,
    }
    reserved = []

    def note(**kwargs: Any) -> None:
        reserved.append(kwargs["digest"])

    signals.jti_reserved.connect(note)
    signals.jti_replayed.connect(note)
    try:
        for permissions in ([IsAuthenticated], [IsAuthenticated & SingleUse]):
            client = serve(variant(permission_classes=permissions, **classes))
            response = client.get("/", headers=bearer(signed()) | {"Accept": "text/html"})
            assert response.status_code == 200
            assert b"<html" in response.content
        page = client.get("/", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert page.headers["Cache-Control"] == "no-store"
        assert b"<html" in page.content
        refused = serve(
            variant(permission_classes=[IsAdminUser, SingleUse], **classes),
        )
        refused.get("/", headers=bearer(signed()) | {"Accept": "text/html"})
    finally:
        signals.jti_reserved.disconnect(note)
        signals.jti_replayed.disconnect(note)
    assert len(reserved) == 3


def test_single_use_admits_what_another_class_knows(serve: Serve) -> None:
    """In the decorator's namespace, so that both refuse each other's tokens."""
    view = variant(
        authentication_classes=[Elsewhere],
        permission_classes=[IsAuthenticated & SingleUse],
        post=lambda self, request: Response({}),
    )
    client, token = serve(view), signed()
    assert client.post("/", headers=bearer(token)).status_code == 200
    assert client.post("/", headers=bearer(token)).status_code == 401
    site = Site("default", is_async=False, atomic=False)
    assert site.post({}, Authorization=f"Bearer {token}").status_code == 401
    assert client.post("/").json()["error"] == "missing_token"


class Mine(SingleUse):
    pass


@pytest.mark.parametrize(
    "attributes",
    [
        {"authentication_classes": [JTIAuthentication, First]},
        {"permission_classes": [IsAuthenticated & SingleUse]},
        {
            "authentication_classes": [JTIAuthentication],
            "permission_classes": [SingleUse & Mine],
        },
        {"post": method_decorator(reserve_jti(atomic=False))(Exchange.post)},
        {"dispatch": method_decorator(reserve_jti(atomic=False))(Exchange.dispatch)},
    ],
    ids=[
        "two classes",
        "class and permission",
        "two permissions",
        "decorator inside",
        "decorator outside",
    ],
)
def test_two_guards_reserve_once(serve: Serve, attributes: Any) -> None:
    """The second one finds what the first one has reserved."""
    client, headers = serve(variant(**attributes)), bearer(signed())
    assert client.post("/", headers=headers).status_code == 200
    assert client.post("/", headers=headers).status_code == 401
    assert replay_cache.count() == 1


def test_profiles_are_picked_by_the_issuer(serve: Serve, settings: Any) -> None:
    """As the decorator takes a list of names."""
    hub = PROFILE | {"ISSUER": "https://hub.example"}
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE, "hub": hub}}

    class Both(JTIAuthentication):
        profile = ("default", "hub")

    client = serve(variant(authentication_classes=[Both]))
    for claims in ({}, {"iss": "https://hub.example"}):
        assert client.post("/", headers=bearer(signed(**claims))).status_code == 200
    assert client.post("/", headers=bearer(signed(iss="x"))).status_code == 401


@pytest.mark.parametrize("kind", ["logout_token", "security_event", "link"])
def test_kinds_with_answers_of_their_own_need_the_decorator(
    serve: Serve, settings: Any, kind: str
) -> None:
    """ImproperlyConfigured names it."""
    profile = PROFILE | {"KIND": kind} if kind != "link" else {"KIND": kind}
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": profile}}
    for attributes in ({}, {"permission_classes": [SingleUse], "authentication_classes": []}):
        response = serve(variant(**attributes)).post("/", headers=bearer(signed()))
        error = response.exc_info[1]
        assert isinstance(error, ImproperlyConfigured)
        assert "reserve_jti" in str(error)


def test_a_client_assertion_authenticates_a_client(serve: Serve, settings: Any) -> None:
    """At a token endpoint of REST framework, which reads the form as well."""
    from tests.kinds.test_client_assertion import PROFILE as CLIENTS
    from tests.kinds.test_client_assertion import form

    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"clients": CLIENTS}}

    class Clients(JTIAuthentication):
        profile = "clients"

    class Token(APIView):
        authentication_classes = [Clients]
        permission_classes = [IsAuthenticated]

        def post(self, request: Any) -> Response:
            return Response({"client": request.client_id, "type": request.data["grant_type"]})

    client, sent = serve(Token.as_view()), form()
    response = client.post("/", sent)
    assert response.json() == {"client": "client 1", "type": "client_credentials"}
    response = client.post("/", sent)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_client")
    response = client.post("/", sent, headers={"Authorization": "Basic x"})
    assert response.headers["WWW-Authenticate"] == 'Basic realm="clients"'


def test_a_project_may_have_its_own_exception_handler(serve: Serve, settings: Any) -> None:
    """It gets an APIException, and decides over the body."""

    def handler(error: Any, context: Any) -> Response:
        return Response({"mine": error.detail["error"]}, status=error.status_code)

    view = type("Own", (Exchange,), {"get_exception_handler": lambda self: handler})
    response = serve(view.as_view()).post("/")
    assert (response.status_code, response.json()) == (401, {"mine": "missing_token"})
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_versions_are_as_ever(settings: Any) -> None:
    """A version that is not there is 404 before any token is used up."""
    from django.urls import path

    view = variant(
        versioning_class=type("V", (URLPathVersioning,), {"allowed_versions": ["v1"]})
    )
    settings.ROOT_URLCONF = (
        path("<str:version>/", lambda r, version: view(r, version=version)),
    )
    client, headers = Client(), bearer(signed())
    view.cls.post = lambda self, request, version: Response({"version": request.version})
    assert client.post("/v2/", headers=headers).status_code == 404
    assert client.post("/v1/", headers=headers).json() == {"version": "v1"}


def test_a_throttle_counts_each_token_user_by_itself(serve: Serve) -> None:
    """By sub."""
    once = type("Once", (UserRateThrottle,), {"rate": "1/hour", "scope": "test"})
    client = serve(variant(throttle_classes=[once]))
    for sub, status in (("a", 200), ("b", 200), ("a", 429)):
        assert client.post("/", headers=bearer(signed(sub=sub))).status_code == status


def test_a_token_user_has_no_permissions() -> None:
    """So that IsAdminUser refuses it."""
    user = TokenUser({"sub": "job 1", "scope": "x"})
    assert (user.pk, user.id, str(user), user.get_username()) == ("job 1",) * 4
    assert (user.is_authenticated, user.is_active, user.is_anonymous) == (True, True, False)
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert not user.has_perm("any")
    assert not user.has_module_perms("any")
    assert (user.has_perms([]), user.has_perms(["any"])) == (True, False)
    assert user == TokenUser({"sub": "job 1", "scope": "x"})
    assert user != TokenUser({"sub": "job 2"})
    assert hash(user) == hash(TokenUser({"sub": "job 1", "scope": "x"}))


def test_a_request_without_a_view_is_admitted() -> None:
    """As a test of one's own may ask the class alone."""
    from django.test import RequestFactory
    from rest_framework.request import Request

    request = Request(RequestFactory().post("/", headers=bearer(signed(sub="x"))))
    user, claims = JTIAuthentication().authenticate(request) or (None, {})
    assert (user.pk, claims["sub"]) == ("x", "x")
    assert SingleUse().has_permission(request, None)
    assert replay_cache.count() == 1
