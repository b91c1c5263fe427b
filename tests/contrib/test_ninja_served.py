"""django-ninja over HTTP: what became of the jti after each answer, under WSGI and ASGI."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

import pytest
from django.urls import clear_url_caches, path
from ninja import NinjaAPI, Router
from ninja.errors import HttpError

from jti_replay import replay_cache
from jti_replay.contrib.ninja import JTIAuth, add_exception_handlers
from jti_replay.decorators import reserve_jti
from tests.backends.waiting import wait_until
from tests.contrib.ninja_site import Body, Full
from tests.kinds.serving import uvicorn_server, wsgi_server
from tests.models import Work
from tests.tokens.tokens import CACHES, PROFILE, bearer, signed


class Answer(NamedTuple):
    status: int
    headers: Any
    body: Any


class Site:
    """A client of an API that is served."""

    def __init__(self, origin: str) -> None:
        self._address = urlsplit(origin).netloc

    def send(
        self, where: str, token: str | None, body: str = '{"number": 1}', method: str = "POST"
    ) -> Answer:
        """Send a request over a connection of its own."""
        headers = {"Content-Type": "application/json"} | (bearer(token) if token else {})
        connection = HTTPConnection(self._address, timeout=30)
        try:
            connection.request(method, where, body, headers)
            response = connection.getresponse()
            is_json = "json" in (response.headers["Content-Type"] or "")
            text = response.read()
            return Answer(
                response.status, response.headers, json.loads(text) if is_json else text
            )
        finally:
            connection.close()


def answer(request: Any, body: Body) -> Any:
    return {"sub": request.auth.get("sub"), "number": body.number}


def refuse(request: Any, body: Body) -> NoReturn:
    raise HttpError(409, "no")


def break_down(request: Any, body: Body) -> NoReturn:
    raise LookupError


def as_async(view: Any) -> Any:
    async def aview(request: Any, body: Body) -> Any:
        return view(request, body)

    return aview


def make_api(*, is_async: bool) -> NinjaAPI:
    """Return an API whose operations end in each way."""
    api, router = NinjaAPI(), Router(auth=JTIAuth())
    views = {"answer": answer, "refuse": refuse, "break": break_down}
    for name, view in views.items():
        api.post(name, auth=JTIAuth())(as_async(view) if is_async else view)
    # Ninja sends both operations of a path to an event loop, and a sync one on to a thread.
    api.post("either", auth=JTIAuth())(as_async(answer) if is_async else answer)
    api.put("either", auth=JTIAuth())(answer if is_async else as_async(answer))
    router.post("answer")(as_async(answer) if is_async else answer)
    api.add_router("team/", router)
    limited = as_async(answer) if is_async else answer
    api.post("limited", auth=JTIAuth(), throttle=[Full()])(limited)
    add_exception_handlers(api)
    return api


@pytest.fixture(scope="module", params=[wsgi_server, uvicorn_server])
def served(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A client of each kind of server, which serves the URLs of the test."""
    with request.param() as origin:
        yield Site(origin)


@pytest.fixture
def serve(settings: Any) -> Iterator[Callable[..., None]]:
    """Give a function that lets the servers serve an API, and its tokens be kept in a cache."""

    def serve(api: NinjaAPI, cache: Any = CACHES["default"]) -> None:
        profiles = {"default": PROFILE}
        settings.JTI_REPLAY = {"CACHES": {"default": cache}, "PROFILES": profiles}
        settings.ROOT_URLCONF = (path("", api.urls),)
        clear_url_caches()

    yield serve
    clear_url_caches()


@pytest.fixture(params=["sync", "async"])
def site(request: pytest.FixtureRequest, served: Site, serve: Callable[..., None]) -> Site:
    """A client of each kind of operation behind each kind of server."""
    serve(make_api(is_async=request.param == "async"))
    return served


def test_a_token_passes_once(site: Site) -> None:
    """By an operation's auth and by its router's. The refusal is that of the kind."""
    for where in ("/answer", "/team/answer"):
        token = signed(sub="job 1")
        assert site.send(where, token).body == {"sub": "job 1", "number": 1}
        replayed = site.send(where, token)
        assert (replayed.status, replayed.body["error"]) == (401, "invalid_token")
        assert "already been used" in replayed.headers["WWW-Authenticate"]
        assert replayed.headers["Cache-Control"] == "no-store"
        missing = site.send(where, None)
        assert (missing.status, missing.body["error"]) == (401, "missing_token")
        assert missing.headers["WWW-Authenticate"] == "Bearer"
    assert replay_cache.count() == 2


@pytest.mark.parametrize(
    ("where", "body", "status"),
    [
        ("/answer", '{"number": "x"}', 422),
        ("/answer", "{", 400),
        ("/team/answer", "{}", 422),
        ("/either", "{}", 422),
        ("/limited", '{"number": 1}', 429),
    ],
)
def test_what_never_ran_gives_the_token_back(
    site: Site, where: str, body: str, status: int
) -> None:
    """An operation on an event loop does so as soon as that can."""
    token = signed()
    assert site.send(where, token, body).status == status
    wait_until(nothing_is_reserved)
    assert site.send("/answer", token).status == 200


def nothing_is_reserved() -> None:
    assert replay_cache.count() == 0


@pytest.mark.parametrize(("where", "status"), [("/refuse", 409), ("/break", 500)])
def test_what_the_endpoint_raises_uses_the_token_up(
    site: Site, where: str, status: int
) -> None:
    """Its work may be committed."""
    token = signed()
    assert site.send(where, token).status == status
    assert site.send("/answer", token).status == 401
    assert replay_cache.count() == 1


def test_a_method_without_an_operation_uses_nothing_up(site: Site) -> None:
    """Neither does OPTIONS."""
    for method in ("PUT", "OPTIONS"):
        assert site.send("/answer", signed(), method=method).status == 405
    assert replay_cache.count() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("store", ["memory", "redis", "database"])
def test_under_wsgi_an_async_operation_gives_back_before_it_answers(
    store: str, serve: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    """Its event loop ends with the request, and carries the release out before."""
    backend = {
        "memory": CACHES["default"]["BACKEND"],
        "redis": "jti_replay.backends.redis.RedisCache",
        "database": "jti_replay.backends.database.DatabaseCache",
    }[store]
    if store == "redis":
        request.getfixturevalue("redis_cache_settings")
    serve(make_api(is_async=True), {"BACKEND": backend})
    token = signed()
    with wsgi_server() as origin:
        site = Site(origin)
        statuses = [site.send("/answer", token, "{}").status]
        statuses += [site.send("/answer", token).status for _ in range(2)]
    assert statuses == [422, 200, 401]


@pytest.mark.django_db(transaction=True)
def test_the_decorator_below_rolls_back(served: Site, serve: Callable[..., None]) -> None:
    """It opens a transaction of its own, in the thread that runs the operation."""
    api, failures = NinjaAPI(), [HttpError(409, "no")]

    @api.post("pay")
    @reserve_jti
    def pay(request: Any) -> Any:
        Work.objects.create(name="work")
        if failures:
            raise failures.pop()
        return {}

    serve(api)
    token = signed()
    assert [served.send("/pay", token).status for _ in range(3)] == [409, 200, 401]
    assert Work.objects.count() == 1
