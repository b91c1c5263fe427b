from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.http import HttpResponse
from django.test import AsyncClient, Client

from jti_replay import release_on_rollback, replay_cache
from jti_replay.decorators import reserve_jti
from tests.models import Work
from tests.rollback.tokens import bearer, new_token

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class WorkFailed(Exception):
    pass


def paid_for(using: str, *, fails: bool) -> Callable[..., Any]:
    """Return an async view that does its work in a sync section, in its thread."""

    @reserve_jti(using=using)
    async def view(request: Any) -> HttpResponse:
        @sync_to_async
        def section() -> None:
            with transaction.atomic(using):
                assert release_on_rollback(request.jti_reservation, using)
                Work.objects.using(using).create(name="work")
                if fails:
                    raise WorkFailed

        await section()
        return HttpResponse()

    return view


@pytest.mark.parametrize("fails", [False, True], ids=["commits", "rolls back"])
def test_a_sync_section_binds_in_its_thread(
    using: str, fails: bool, serve: Callable[[Any], Client]
) -> None:
    client = serve(paid_for(using, fails=fails))
    headers = bearer(new_token())
    answers = [client.post("/", headers=headers).status_code for _ in range(2)]
    assert answers == ([500, 500] if fails else [200, 401])
    assert Work.objects.using(using).exists() is not fails


@pytest.mark.parametrize("fails", [False, True], ids=["commits", "rolls back"])
async def test_so_it_does_on_an_event_loop(
    fails: bool, serve: Callable[[Any], Client], transactional_db: None
) -> None:
    serve(paid_for("default", fails=fails))
    client = AsyncClient(raise_request_exception=False)
    headers = bearer(new_token())
    responses = [await client.post("/", headers=headers) for _ in range(2)]
    assert [r.status_code for r in responses] == ([500, 500] if fails else [200, 401])
    await sync_to_async(connections.close_all)()


async def test_outside_of_a_section_no_transaction_is_open(transactional_db: None) -> None:
    reservation = await replay_cache.areserve("a")
    assert reservation
    assert release_on_rollback(reservation) is False


def test_an_async_view_that_raises_uses_its_token_up(
    serve: Callable[[Any], Client], transactional_db: None
) -> None:
    @reserve_jti
    async def view(request: Any) -> NoReturn:
        raise WorkFailed

    headers = bearer(new_token())
    assert serve(view).post("/", headers=headers).status_code == 500
    assert serve(view).post("/", headers=headers).status_code == 401


def test_an_async_view_that_has_then_done_nothing_gives_its_token_back(
    serve: Callable[[Any], Client], transactional_db: None
) -> None:
    @reserve_jti(release_on_error=True)
    async def view(request: Any) -> NoReturn:
        raise WorkFailed

    headers = bearer(new_token())
    for _ in range(2):
        response = serve(view).post("/", headers=headers)
        assert response.status_code == 500
        assert isinstance(response.exc_info[1], WorkFailed)
