"""A database that is down is a store that is down: 503, and nothing is reserved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connections
from django.http import HttpResponse
from django.test import RequestFactory

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from tests.backends.database.conftest import UseCache
from tests.rollback.tokens import PROFILE, bearer, new_token

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

UNREACHABLE: dict[str, dict[str, Any]] = {
    "default": {"NAME": "/no/such/folder/database"},
    "postgres": {"PORT": 1},
    "mariadb": {"PORT": 1},
}
"""Where each database does not answer."""


@pytest.fixture
def down(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database that does not answer."""
    connections[server].close()
    for name, value in UNREACHABLE[server].items():
        monkeypatch.setitem(connections[server].settings_dict, name, value)
    yield server
    connections[server].close()


def call(using: str, **arguments: Any) -> Any:
    @reserve_jti(using=using, **arguments)
    def view(request: Any) -> HttpResponse:
        return HttpResponse()

    return view(RequestFactory().post("/", headers=bearer(new_token(jti="a"))))


EACH = pytest.mark.parametrize("server", ["default", "postgres", "mariadb"], indirect=True)


@EACH
@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "not atomic"])
@pytest.mark.parametrize("autocommit", [True, False], ids=["autocommit", "manual"])
@pytest.mark.parametrize("join", [True, False], ids=["join", "alone"])
def test_the_database_of_the_cache_and_of_the_transaction_is_down(
    down: str,
    use_cache: UseCache,
    monkeypatch: pytest.MonkeyPatch,
    join: bool,
    autocommit: bool,
    atomic: bool,
) -> None:
    """However the database is reached first, the answer is 503."""
    monkeypatch.setitem(connections[down].settings_dict, "AUTOCOMMIT", autocommit)
    use_cache(down, join=join)
    response = call(down, atomic=atomic)
    assert response.status_code == 503
    assert response["Retry-After"]


@EACH
@pytest.mark.parametrize("join", [True, False], ids=["join", "alone"])
def test_the_database_is_down_for_an_async_view(
    down: str, use_cache: UseCache, join: bool
) -> None:
    """An async view is answered 503, too."""
    use_cache(down, join=join)

    @reserve_jti(using=down)
    async def view(request: Any) -> HttpResponse:
        return HttpResponse()

    request = RequestFactory().post("/", headers=bearer(new_token()))
    assert asyncio.run(view(request)).status_code == 503


@pytest.mark.parametrize("error", [InterfaceError, OperationalError])
@pytest.mark.parametrize("join", [True, False], ids=["join", "alone"])
def test_any_error_of_a_transaction_that_cannot_be_opened_is_503(
    transactional_db: None,
    use_cache: UseCache,
    monkeypatch: pytest.MonkeyPatch,
    join: bool,
    error: type[Exception],
) -> None:
    """An InterfaceError, which a dead connection gives, is no DatabaseError to Django."""
    use_cache("default", join=join)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise error("connection already closed")

    monkeypatch.setattr(connections["default"], "set_autocommit", fail)
    assert call("default").status_code == 503


@pytest.mark.parametrize("server", ["postgres"], indirect=True)
@pytest.mark.parametrize("autocommit", [True, False], ids=["autocommit", "manual"])
def test_a_database_that_is_not_the_caches_is_the_projects_own_trouble(
    down: str, settings: Any, monkeypatch: pytest.MonkeyPatch, autocommit: bool
) -> None:
    """The error reaches Django, which answers 500, and the jti is not used up."""
    monkeypatch.setitem(connections[down].settings_dict, "AUTOCOMMIT", autocommit)
    settings.JTI_REPLAY = {"PROFILES": {"default": PROFILE}}
    with pytest.raises(OperationalError):
        call(down)
    assert replay_cache.count() == 0
