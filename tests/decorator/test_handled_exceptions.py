"""An answer that a framework has made of an exception of the view counts as one."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from tests.tokens.doors import request_with
from tests.tokens.tokens import signed


def refused(request: HttpRequest) -> Any:
    """Return what REST framework makes of an exception."""
    response: Any = HttpResponse(status=400)
    response.exception = True
    return response


@pytest.mark.parametrize(
    ("options", "statuses"),
    [({}, [400, 401]), ({"release_on_error": True}, [400, 400])],
)
def test_release_on_error_gives_its_token_back(
    options: dict[str, bool], statuses: list[int]
) -> None:
    """As for an exception that leaves the view."""
    view, token = reserve_jti(atomic=False, **options)(refused), signed()
    assert [view(request_with(token)).status_code for _ in range(2)] == statuses


@pytest.mark.django_db(transaction=True)
def test_a_transaction_of_others_is_left_to_them() -> None:
    """Who has opened it decides over the work in it, and so over the jti."""
    with transaction.atomic():
        assert reserve_jti(refused)(request_with(signed())).status_code == 400
        assert not transaction.get_rollback()
    assert replay_cache.count() == 1
