"""The kinds of views that can be decorated, and the ways to do it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, wraps
from typing import Any, NoReturn

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_cookie

from jti_replay import (
    CacheError,
    KeysUnavailable,
    Reservation,
    ReservationLost,
    TokenInvalid,
    TokenReplayed,
    replay_cache,
)
from jti_replay.decorators import reserve_jti
from tests.tokens.answers import assert_invalid, assert_missing
from tests.tokens.doors import request_with
from tests.tokens.tokens import bearer, good_claims, signed

pytestmark = pytest.mark.django_db(transaction=True)


def answer(request: Any, **kwargs: Any) -> JsonResponse:
    """Say what a view knows of the token."""
    assert isinstance(request.jti_reservation, Reservation)
    assert request.jti_reservation.jti == request.jwt_claims["jti"]
    return JsonResponse({"claims": request.jwt_claims, **kwargs})


def passing_through(view: Any) -> Any:
    """A decorator that nobody taught about async views."""

    @wraps(view)
    def inner(request: Any, *args: Any, **kwargs: Any) -> Any:
        return view(request, *args, **kwargs)

    return inner


def sync_view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    return answer(request, **kwargs)


async def async_view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    return answer(request, **kwargs)


class SyncClass(View):
    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return answer(request, **kwargs)


class AsyncClass(View):
    async def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return answer(request, **kwargs)


def dispatching(base: type[View], *decorators: Any) -> Any:
    """Return a view of a class whose dispatch() is decorated."""
    view = method_decorator(decorators, name="dispatch")(type("Decorated", (base,), {}))
    return view.as_view()


class SyncMethod(View):
    @method_decorator(reserve_jti)
    def get(self, request: HttpRequest) -> HttpResponse:
        return answer(request)


class AsyncMethod(View):
    @method_decorator(reserve_jti)
    async def get(self, request: HttpRequest) -> HttpResponse:
        return answer(request)


class AsyncMethodUnderAnother(View):
    @method_decorator([reserve_jti, passing_through])
    async def get(self, request: HttpRequest) -> HttpResponse:
        return answer(request)


class AsyncDispatch(View):
    @method_decorator(reserve_jti("default"))
    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return answer(request)


@method_decorator(reserve_jti, name="get")
class SyncNamed(SyncClass):
    pass


@method_decorator(reserve_jti(), name="dispatch")
class AsyncNamed(AsyncClass):
    pass


class Heir(AsyncNamed):
    """Whoever inherits from a decorated class is decorated."""


VIEWS: dict[str, Any] = {
    "sync function": reserve_jti(sync_view),
    "async function": reserve_jti(async_view),
    "called": reserve_jti()(sync_view),
    "called, async": reserve_jti()(async_view),
    "with a profile": reserve_jti("default")(sync_view),
    "with a profile by name": reserve_jti(profile="default", atomic=False)(async_view),
    "partial": reserve_jti(partial(sync_view)),
    "async partial": reserve_jti(partial(async_view)),
    "as_view()": reserve_jti(SyncClass.as_view()),
    "async as_view()": reserve_jti(AsyncClass.as_view()),
    "sync method": SyncMethod.as_view(),
    "async method": AsyncMethod.as_view(),
    "async method under another decorator": AsyncMethodUnderAnother.as_view(),
    "async dispatch()": AsyncDispatch.as_view(),
    "dispatch() with sync handlers": dispatching(SyncClass, reserve_jti),
    "dispatch() with async handlers": dispatching(AsyncClass, reserve_jti),
    "dispatch() with sync handlers, called": dispatching(SyncClass, reserve_jti("default")),
    "get() by name": SyncNamed.as_view(),
    "dispatch() by name": AsyncNamed.as_view(),
    "an heir": Heir.as_view(),
    "dispatch(), others outside": dispatching(SyncClass, csrf_exempt, reserve_jti),
    "async dispatch(), others outside": dispatching(AsyncClass, csrf_exempt, reserve_jti),
    "async dispatch(), others inside": dispatching(AsyncClass, reserve_jti, csrf_exempt),
    "async dispatch(), naive one inside": dispatching(AsyncClass, reserve_jti, passing_through),
    "async dispatch(), naive one outside": dispatching(
        AsyncClass, passing_through, reserve_jti
    ),
    "stacked": vary_on_cookie(reserve_jti(require_GET(csrf_exempt(sync_view)))),
    "stacked, async": vary_on_cookie(reserve_jti(require_GET(csrf_exempt(async_view)))),
    "naive one inside": reserve_jti(passing_through(sync_view)),
    "naive one inside, async": reserve_jti(passing_through(async_view)),
    "made sync": reserve_jti(async_to_sync(async_view)),
}


@pytest.mark.parametrize("client", ["WSGI", "ASGI"])
@pytest.mark.parametrize("name", VIEWS)
def test_a_token_opens_any_kind_of_view_once(client: str, name: str, settings: Any) -> None:
    settings.ROOT_URLCONF = (path("", VIEWS[name]),)
    aget = async_to_sync(AsyncClient().get)
    get: Any = Client().get if client == "WSGI" else aget
    claims = good_claims()
    headers = bearer(signed(claims))
    response = get("/", headers=headers)
    assert response.status_code == 200, response.content
    assert response.json() == {"claims": claims}
    assert_invalid(get("/", headers=headers), "The token has already been used.")
    assert_missing(get("/"))
    assert replay_cache.count() == 1


@pytest.mark.parametrize("view", [sync_view, async_view])
def test_the_arguments_of_the_url_reach_the_view(view: Any, settings: Any) -> None:
    settings.ROOT_URLCONF = (path("<int:pk>/", reserve_jti(view), {"more": "x"}),)
    response = Client().get("/7/", headers=bearer(signed()))
    assert response.json() | {"claims": None} == {"claims": None, "pk": 7, "more": "x"}


def test_an_async_view_stays_async_and_a_sync_one_sync() -> None:
    assert iscoroutinefunction(reserve_jti(async_view))
    assert iscoroutinefunction(reserve_jti("default")(async_view))
    assert not iscoroutinefunction(reserve_jti(sync_view))
    assert not iscoroutinefunction(reserve_jti("default")(sync_view))


@pytest.mark.parametrize("view", [sync_view, async_view])
def test_a_decorated_view_keeps_its_name_and_attributes(view: Any) -> None:
    exempt = csrf_exempt(view)
    for decorated in (reserve_jti(exempt), reserve_jti("default")(exempt)):
        assert decorated.__name__ == view.__name__
        assert decorated.__module__ == __name__
        assert decorated.__wrapped__ is exempt
        assert decorated.csrf_exempt is True


def test_csrf_exempt_works_on_either_side(settings: Any) -> None:
    settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
    for view in (reserve_jti(csrf_exempt(sync_view)), csrf_exempt(reserve_jti(sync_view))):
        settings.ROOT_URLCONF = (path("", view),)
        client = Client(enforce_csrf_checks=True)
        assert client.post("/", headers=bearer(signed())).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "head", "options"])
def test_every_method_needs_a_token(method: str, settings: Any) -> None:
    settings.ROOT_URLCONF = (path("", reserve_jti(sync_view)),)
    send = getattr(Client(), method)
    assert send("/").status_code == 401
    headers = bearer(signed())
    assert send("/", headers=headers).status_code == 200
    assert send("/", headers=headers).status_code == 401


# Exceptions of the view.

ERRORS = [
    ValueError("of the view"),
    CacheError("of the view"),
    TokenReplayed("of the view"),
    TokenInvalid("of the view"),
    KeysUnavailable("of the view"),
]


def raising(error: BaseException, **options: Any) -> tuple[Any, Any]:
    """Return a decorated view and an async one that raise an error."""

    @reserve_jti(**options)
    def view(request: HttpRequest) -> NoReturn:
        raise error

    @reserve_jti(**options)
    async def aview(request: HttpRequest) -> NoReturn:
        raise error

    def call(request: HttpRequest) -> Any:
        return async_to_sync(aview)(request)

    return view, call


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "options", [{}, {"atomic": False}, {"release_on_error": True}], ids=str
)
def test_an_exception_of_the_view_passes_unchanged(
    error: Exception, options: dict[str, Any]
) -> None:
    """Even one of our own: that the view raised it, only the view can answer."""
    for view in raising(error, **options):
        with pytest.raises(type(error)) as caught:
            view(request_with(signed()))
        assert caught.value is error


def test_a_reservation_that_the_view_has_lost_is_its_own_exception() -> None:
    """Where the decorator has no transaction, it was another COMMIT that was refused."""
    for view in raising(ReservationLost("of the view"), atomic=False):
        with pytest.raises(ReservationLost, match="of the view"):
            view(request_with(signed()))


@pytest.mark.parametrize("error", [ValueError, CacheError, TokenInvalid])
def test_release_on_error_gives_the_token_back(error: type[Exception]) -> None:
    for view in raising(error(), release_on_error=True, atomic=False):
        request = request_with(signed())
        for _ in range(2):
            with pytest.raises(error):
                view(request)
            assert replay_cache.count() == 0


def test_without_it_an_async_view_that_fails_has_used_its_token_up() -> None:
    _, view = raising(ValueError("of the view"))
    request = request_with(signed())
    with pytest.raises(ValueError, match="of the view"):
        view(request)
    assert_invalid(view(request), "The token has already been used.")


@pytest.mark.parametrize("status", [400, 500])
def test_an_answer_of_the_view_is_no_exception(status: int, settings: Any) -> None:
    @reserve_jti(release_on_error=True)
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=status)

    settings.ROOT_URLCONF = (path("", view),)
    headers = bearer(signed())
    assert Client().get("/", headers=headers).status_code == status
    assert_invalid(Client().get("/", headers=headers), "The token has already been used.")


def test_a_view_can_give_its_token_back() -> None:
    @reserve_jti
    def view(request: Any) -> HttpResponse:
        assert request.jti_reservation.release()
        return HttpResponse()

    @reserve_jti
    async def aview(request: Any) -> HttpResponse:
        assert await request.jti_reservation.arelease()
        return HttpResponse()

    request = request_with(signed())
    for _ in range(2):
        assert view(request).status_code == 200
        assert async_to_sync(aview)(request).status_code == 200


def test_what_is_reserved_is_named_by_the_issuer_and_kept_with_the_leeway() -> None:
    seen: list[Any] = []

    @reserve_jti
    def view(request: Any) -> HttpResponse:
        seen.append(request.jti_reservation)
        return HttpResponse()

    claims = good_claims()
    view(request_with(signed(claims)))
    [reservation] = seen
    assert (reservation.jti, reservation.namespace) == (claims["jti"], claims["iss"])
    assert reservation.alias == "default"
    assert reservation.expires_at.timestamp() == claims["exp"] + 30 + 1


def test_an_exhausted_iterator_of_a_view_is_its_own_exception() -> None:
    """Python turns one that leaves a generator into a RuntimeError. The jti is released."""

    @reserve_jti
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(next(answers))

    answers: Iterator[str] = iter([])
    request = request_with(signed(good_claims()))
    with pytest.raises(StopIteration):
        view(request)
    answers = iter(["done"])
    assert view(request).status_code == 200
