"""django-ninja: one auth object for sync and async, and what it releases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import Client
from django.urls import clear_url_caches, path
from ninja import NinjaAPI, Router
from ninja.decorators import decorate_view
from ninja.errors import HttpError, ValidationError
from ninja.security import django_auth

from jti_replay import replay_cache
from jti_replay.contrib.ninja import JTIAuth, TokenRefused, add_exception_handlers
from jti_replay.decorators import reserve_jti
from tests.contrib.ninja_site import Full, Site
from tests.tokens.tokens import CACHES, PROFILE, bearer, signed


@pytest.fixture(params=["sync", "async"])
def site(request: pytest.FixtureRequest, settings: Any) -> Iterator[Site]:
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE, "ci": PROFILE}}
    yield Site(settings, request.param == "async")
    clear_url_caches()


def test_a_token_passes_once(site: Site) -> None:
    """request.auth are the claims, and a refusal is in Ninja's form."""
    site.post()
    headers = bearer(signed(sub="job 1"))
    assert site.send(headers).json() == {"sub": "job 1"}
    response = site.send(headers)
    assert (response.status_code, response.json()) == (
        401,
        {"detail": "The token has already been used."},
    )
    assert site.send().json()["detail"].startswith("No token was sent")
    assert site.requests[0].jti_reservation.jti == site.requests[0].auth["jti"]
    assert len(site.requests) == 1


def test_a_handler_gives_the_answers_of_the_kind(site: Site, settings: Any) -> None:
    """Status, body and headers as the decorator's."""
    site.post()
    add_exception_handlers(site.api)
    response = site.send()
    assert response.json()["error"] == "missing_token"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Cache-Control"] == "no-store"
    response = site.send(bearer("no.jwt"))
    assert response.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    settings.JTI_REPLAY = {
        "CACHES": {"default": CACHES["default"] | {"OPTIONS": {"max_entries": 1}}},
        "PROFILES": {"default": PROFILE},
    }
    assert site.send(bearer(signed())).status_code == 200
    response = site.send(bearer(signed()))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("handled", [False, True])
def test_what_never_ran_releases(site: Site, handled: bool) -> None:
    """422 and a body that cannot be parsed, if the handlers are there."""
    site.post()
    if handled:
        add_exception_handlers(site.api)
    for body, status in (('{"number": "x"}', 422), ("{", 400)):
        headers = bearer(signed())
        assert site.send(headers, body).status_code == status
        assert site.send(headers).status_code == (200 if handled else 401)


def test_a_throttle_releases(site: Site) -> None:
    """429 comes after the token was used, and before the endpoint."""
    site.post(throttle=[Full()])
    add_exception_handlers(site.api)
    response = site.send(bearer(signed()))
    assert (response.status_code, response.headers["Retry-After"]) == (429, "60")
    assert replay_cache.count() == 0
    assert site.requests == []


@pytest.mark.parametrize(
    "error",
    [HttpError(409, "no"), ValidationError([]), LookupError(), TokenRefused(HttpResponse())],
)
def test_what_the_endpoint_raises_keeps(site: Site, error: Exception) -> None:
    """Its work may be committed."""

    def fail(request: Any) -> Any:
        raise error

    site.answer = fail
    site.post()
    add_exception_handlers(site.api)
    headers = bearer(signed())
    assert site.send(headers).status_code in (200, 409, 422, 500)
    assert site.send(headers).status_code == 401
    assert replay_cache.count() == 1


def test_handlers_of_a_project_are_wrapped(site: Site) -> None:
    """They answer, and the jti is released before."""
    site.post()
    site.api.exception_handler(ValidationError)(
        lambda request, error: HttpResponse("mine", status=418)
    )
    add_exception_handlers(site.api)
    assert site.send(bearer(signed()), "{}").status_code == 418
    assert replay_cache.count() == 0


def test_a_release_that_fails_is_logged(
    site: Site, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer stands, and the jti stays reserved."""
    settings.JTI_REPLAY = {
        "CACHES": {"default": {"BACKEND": "tests.backends.flawed.CannotRelease"}},
        "PROFILES": {"default": PROFILE},
    }
    site.post()
    add_exception_handlers(site.api)
    assert site.send(bearer(signed()), "{}").status_code == 422
    assert "failed to release" in caplog.text


@pytest.mark.parametrize(
    "guards",
    [
        lambda: {"auth": [JTIAuth("ci"), JTIAuth("ci")]},
        lambda: {"auth": JTIAuth("ci"), "decorate": reserve_jti("ci", atomic=False)},
        lambda: {
            "auth": JTIAuth("ci"),
            "decorate": decorate_view(reserve_jti("ci", atomic=False)),
        },
    ],
    ids=["two auth objects", "decorator below", "decorator around"],
)
def test_two_guards_reserve_once(site: Site, guards: Any) -> None:
    """The second one is not asked, or finds what the first one has reserved."""
    site.post(**guards())
    headers = bearer(signed())
    assert [site.send(headers).status_code for _ in range(2)] == [200, 401]
    assert replay_cache.count() == 1


def test_an_auth_of_a_router_is_asked(settings: Any) -> None:
    """As Ninja hands it down."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}
    site = Site(settings, is_async=False)
    router = Router(auth=JTIAuth())
    router.post("/")(lambda request: {"ok": True})
    site.api.add_router("", router)
    headers = bearer(signed())
    assert [site.send(headers).status_code for _ in range(2)] == [200, 401]


def test_several_profiles(site: Site, settings: Any) -> None:
    """The token's issuer picks one."""
    hub = PROFILE | {"ISSUER": "https://hub.example"}
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE, "hub": hub}}
    site.post(auth=JTIAuth(["default", "hub"]))
    assert site.send(bearer(signed())).status_code == 200
    assert site.send(bearer(signed(iss="https://hub.example"))).status_code == 200
    assert site.send(bearer(signed(iss="x"))).status_code == 401


def test_a_method_without_an_operation_uses_nothing_up(site: Site) -> None:
    """Ninja answers 405 first."""
    site.post()
    for method in ("put", "options"):
        assert site.send(bearer(signed()), method=method).status_code == 405
    assert replay_cache.count() == 0


def test_kinds_with_answers_of_their_own_need_the_decorator(site: Site, settings: Any) -> None:
    """ImproperlyConfigured names it."""
    profile = PROFILE | {"KIND": "logout_token"}
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": profile}}
    site.post()
    with pytest.raises(ImproperlyConfigured, match="reserve_jti"):
        JTIAuth()(Client().get("/").wsgi_request)


def test_each_kind_has_a_scheme_of_its_own(settings: Any) -> None:
    """In OpenAPI."""
    clients = PROFILE | {"KIND": "client_assertion"}
    profiles = {"default": PROFILE, "clients": clients}
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": profiles}
    site = Site(settings, is_async=False)
    for name in ("default", "clients", "absent"):
        site.api.get(f"/{name}", auth=[django_auth, JTIAuth(name)])(lambda request: None)
    settings.ROOT_URLCONF = (path("", site.api.urls),)
    clear_url_caches()
    schemes = site.api.get_openapi_schema()["components"]["securitySchemes"]
    assert schemes["BearerAuth"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert "ClientAssertionAuth" in schemes
    messages = [m for m in run_checks() if m.id == "jti_replay.E045"]
    assert len(messages) == 1
    assert "'absent'" in messages[0].msg


def test_nothing_hops_to_a_thread_on_an_event_loop(settings: Any) -> None:
    """The claims are awaited in the loop's own thread."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}
    site, threads = Site(settings, is_async=True), set()
    site.answer = lambda request: threads.add(threading.current_thread()) or {}
    verify = JTIAuth._steps

    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        threads.add(threading.current_thread())
        return verify(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JTIAuth, "_steps", noting)
        site.post()
        assert site.send(bearer(signed())).status_code == 200
    assert threads == {threading.main_thread()}


@pytest.mark.parametrize("is_decorated", [False, True])
def test_djangos_cache_does_not_answer_for_it(settings: Any, is_decorated: bool) -> None:
    """A used token would get the answer of its first use."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    site = Site(settings, is_async=False)

    def secret(request: Any) -> Any:
        return {"secret": 1}

    if is_decorated:
        site.api.get("/")(reserve_jti(atomic=False)(secret))
    else:
        site.api.get("/", auth=JTIAuth())(secret)
    settings.ROOT_URLCONF = (path("", site.api.urls),)
    clear_url_caches()
    headers = bearer(signed())
    assert [Client().get("/", headers=headers).status_code for _ in range(2)] == [200, 401]


def test_the_private_parts_of_ninja_are_there() -> None:
    """Each that is used is named here, so that an upgrade says what broke."""
    from ninja.operation import Operation, PathView

    assert isinstance(NinjaAPI()._exception_handlers, dict)
    assert callable(Operation._get_values)
    assert "operations" in vars(PathView())


def test_a_security_event_is_taken_by_the_decorator(settings: Any) -> None:
    """Whichever form the operation gives its status in."""
    from ninja import Status

    from tests.kinds.security_events import PROFILE as FEED
    from tests.kinds.security_events import TYPE, event

    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"feed": FEED}}
    site, token = Site(settings, is_async=False), event()
    answers = [Status(400, None), Status(202, None)]
    guarded = reserve_jti("feed", atomic=False)(lambda request: answers.pop(0))
    site.api.post("/", response={202: None, 400: None})(guarded)
    settings.ROOT_URLCONF = (path("", site.api.urls),)
    clear_url_caches()
    statuses = [Client().post("/", token, content_type=TYPE).status_code for _ in range(3)]
    assert statuses == [400, 202, 202]
