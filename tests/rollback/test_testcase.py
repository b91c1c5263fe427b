"""Under Django's TestCase, which itself runs each test in a transaction that rolls back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.db import connections, transaction
from django.http import HttpResponse
from django.test import Client

from jti_replay import release_on_rollback, replay_cache
from jti_replay.decorators import reserve_jti
from tests.models import Work
from tests.rollback.blocks import failing_block
from tests.rollback.testcases import run_in_testcase
from tests.rollback.tokens import bearer, new_token

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class WorkFailed(Exception):
    pass


@pytest.fixture(params=[False, True], ids=["decorator", "ATOMIC_REQUESTS"])
def atomic_requests(
    request: pytest.FixtureRequest, using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections[using].settings_dict, "ATOMIC_REQUESTS", request.param)


@pytest.mark.usefixtures("atomic_requests")
def test_a_view_that_raises_gives_its_token_back_at_once(
    using: str, serve: Callable[[Any], Client]
) -> None:
    @reserve_jti(using=using)
    def view(request: Any) -> NoReturn:
        Work.objects.using(using).create(name="work")
        raise WorkFailed

    def body() -> None:
        headers = bearer(new_token())
        for _ in range(2):
            assert serve(view).post("/", headers=headers).status_code == 500
            assert replay_cache.count() == 0
            assert not Work.objects.using(using).exists()

    run_in_testcase(using, body)


@pytest.mark.usefixtures("atomic_requests")
def test_a_view_that_succeeds_uses_its_token_up_until_the_test_rolls_back(
    using: str, serve: Callable[[Any], Client]
) -> None:
    @reserve_jti(using=using)
    def view(request: Any) -> HttpResponse:
        Work.objects.using(using).create(name="work")
        return HttpResponse()

    token = new_token()

    def body() -> None:
        client = serve(view)
        answers = [client.post("/", headers=bearer(token)).status_code for _ in range(2)]
        assert answers == [200, 401]
        assert Work.objects.using(using).count() == 1
        assert replay_cache.count() == 1

    for _ in range(2):  # The second test is not disturbed by the first one.
        run_in_testcase(using, body)
        assert replay_cache.count() == 0


def test_a_block_within_the_test_ends_as_in_production(using: str) -> None:
    def body() -> None:
        with transaction.atomic(using):
            assert release_on_rollback(replay_cache.reserve("committed"), using)
        with failing_block(using):
            assert release_on_rollback(replay_cache.reserve("rolled back"), using)
        assert replay_cache.reserve("committed") is None
        assert replay_cache.reserve("rolled back")

    run_in_testcase(using, body)
    assert replay_cache.reserve("committed")


def test_the_test_itself_counts_as_no_transaction_to_the_decorator(
    using: str, serve: Callable[[Any], Client]
) -> None:
    depths = []

    @reserve_jti(using=using)
    def view(request: Any) -> HttpResponse:
        depths.append(len(connections[using].atomic_blocks))
        return HttpResponse()

    def body() -> None:
        outside = len(connections[using].atomic_blocks)
        assert outside > 0
        serve(view).post("/", headers=bearer(new_token()))
        with transaction.atomic(using):
            serve(view).post("/", headers=bearer(new_token()))
        assert depths == [outside + 1, outside + 1]

    run_in_testcase(using, body)
