"""django-ninja and transactions: what rolls back releases."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from ninja.errors import HttpError

from jti_replay.contrib.ninja import JTIAuth
from jti_replay.decorators import reserve_jti
from tests.contrib.ninja_site import Site
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
    from django.db import transaction

    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}
    monkeypatch.setitem(connections[using].settings_dict, "ATOMIC_REQUESTS", True)
    site = Site(settings, is_async=False)
    site.answer = lambda request: transaction.set_rollback(True, using) or {}
    site.post(auth=JTIAuth(using=using))
    headers = bearer(signed())
    assert [site.send(headers).status_code for _ in range(2)] == [200, 200]
