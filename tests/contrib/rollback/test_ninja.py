"""django-ninja and transactions: what rolls back releases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.test import AsyncClient
from django.urls import clear_url_caches, path
from ninja import NinjaAPI
from ninja.errors import HttpError

from jti_replay import release_on_rollback, replay_cache
from jti_replay.contrib.ninja import JTIAuth, add_exception_handlers
from jti_replay.decorators import reserve_jti
from tests.contrib.ninja_site import Full, Site
from tests.models import Work
from tests.tokens.tokens import CACHES, PROFILE, bearer, signed


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("atomic_requests", [False, True])
def test_the_decorator_below_rolls_back(
    settings: Any, using: str, atomic_requests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sits inside Ninja's try, and opens a transaction of its own."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}
    monkeypatch.setitem(connections[using].settings_dict, "ATOMIC_REQUESTS", atomic_requests)
    site = Site(settings, is_async=False)
    failures = [HttpError(409, "no")]

    def answer(request: Any) -> Any:
        Work.objects.using(using).create(name="work")
        if failures:
            raise failures.pop()
        return {}

    site.answer = answer
    site.api.post("/")(reserve_jti(using=using)(_plain(site)))
    headers = bearer(signed())
    statuses = []
    for _ in range(3):
        Work.objects.using(using).all().delete()
        statuses.append(site.send(headers).status_code)
    # Ninja answers, so that the transaction of the request commits what it holds.
    assert statuses == ([409, 401, 401] if atomic_requests else [409, 200, 401])


def _plain(site: Site) -> Any:
    def operation(request: Any) -> Any:
        return site.answer(request)

    return operation


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_rollback_of_the_request_releases(
    settings: Any, using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The auth object binds to the transaction of ATOMIC_REQUESTS."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}
    monkeypatch.setitem(connections[using].settings_dict, "ATOMIC_REQUESTS", True)
    site = Site(settings, is_async=False)
    site.answer = lambda request: transaction.set_rollback(True, using) or {}
    site.post(auth=JTIAuth(using=using))
    headers = bearer(signed())
    assert [site.send(headers).status_code for _ in range(2)] == [200, 200]


@pytest.fixture
def atomic_site(
    settings: Any, attempted: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Site]:
    """Give a function that makes a site under ATOMIC_REQUESTS, whose operation does work."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}
    monkeypatch.setitem(connections[attempted].settings_dict, "ATOMIC_REQUESTS", True)

    def make(**options: Any) -> Site:
        def answer(request: Any) -> Any:
            Work.objects.using(attempted).create(name="work")
            raise HttpError(409, "no")

        site = Site(settings, is_async=False)
        site.answer = answer
        site.post(auth=JTIAuth(using=attempted), **options)
        add_exception_handlers(site.api)
        return site

    return make


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_an_error_that_ninja_answers_commits(
    atomic_site: Callable[..., Site], attempted: str
) -> None:
    """The work of the operation stands, and so does its jti."""
    site, headers = atomic_site(), bearer(signed())
    assert [site.send(headers).status_code for _ in range(2)] == [409, 401]
    assert Work.objects.using(attempted).count() == 1


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("stored", [False, True], ids=["memory", "database"])
@pytest.mark.parametrize(
    ("options", "body", "status"),
    [({}, "{}", 422), ({}, "{", 400), ({"throttle": [Full()]}, '{"number": 1}', 429)],
)
def test_what_never_ran_gives_back_though_the_request_commits(
    atomic_site: Callable[..., Site],
    attempted: str,
    settings: Any,
    stored: bool,
    options: Any,
    body: str,
    status: int,
) -> None:
    """Also from a cache whose entry is part of the request's transaction."""
    if stored:
        backend = "jti_replay.backends.database.DatabaseCache"
        cache = {"default": {"BACKEND": backend, "LOCATION": attempted}}
        settings.JTI_REPLAY = {"CACHES": cache, "PROFILES": {"default": PROFILE}}
    site = atomic_site(**options)
    assert site.send(bearer(signed()), body).status_code == status
    assert replay_cache.count() == 0


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("release", [False, True])
def test_an_error_releases_where_the_decorator_says_so(
    settings: Any, is_async: bool, release: bool
) -> None:
    """HttpError is one that comes out of the operation, whatever Ninja makes of it."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}
    site = Site(settings, is_async=is_async)

    def fail(request: Any) -> Any:
        raise HttpError(409, "no")

    site.answer = fail
    guard = reserve_jti(atomic=False, release_on_error=release)
    site.post(auth=lambda request: {"sub": "anyone"}, decorate=guard)
    headers = bearer(signed())
    statuses = [site.send(headers).status_code for _ in range(2)]
    assert statuses == ([409, 409] if release else [409, 401])


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("fails", [False, True], ids=["commits", "rolls back"])
async def test_a_sync_section_of_an_async_operation_binds(
    settings: Any, transactional_db: None, fails: bool
) -> None:
    """In its thread, as that of any async view."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}
    api = NinjaAPI()

    def section(request: Any) -> None:
        with transaction.atomic():
            assert release_on_rollback(request.jti_reservation)
            Work.objects.create(name="work")
            if fails:
                raise HttpError(409, "no")

    @api.post("/", auth=JTIAuth())
    async def operation(request: Any) -> Any:
        await sync_to_async(section)(request)
        return {}

    settings.ROOT_URLCONF = (path("", api.urls),)
    clear_url_caches()
    headers = bearer(signed())
    statuses = [(await AsyncClient().post("/", headers=headers)).status_code for _ in range(2)]
    assert statuses == ([409, 409] if fails else [200, 401])
    await sync_to_async(connections.close_all)()
