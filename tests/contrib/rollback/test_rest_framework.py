"""REST framework and transactions: what rolls back releases."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from django.db import connections
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAdminUser
from rest_framework.throttling import SimpleRateThrottle

from jti_replay.contrib.rest_framework import JTIAuthentication, SingleUse
from tests.contrib.exchange import Elsewhere, Exchange, Serve, variant
from tests.models import Work
from tests.tokens.tokens import bearer, signed

pytestmark = pytest.mark.usefixtures("rest_framework")


class Full(SimpleRateThrottle):
    def __init__(self) -> None:
        pass

    def allow_request(self, request: Any, view: Any) -> bool:
        return False

    def wait(self) -> float:
        return 60


def failing(error: Any, using: str) -> Any:
    def post(self: Any, request: Any) -> NoReturn:
        Work.objects.using(using).create(name="work")
        raise error

    return post


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("gate", ["class", "permission"])
@pytest.mark.parametrize("atomic_requests", [False, True])
def test_failures_release_under_atomic_requests(
    serve: Serve,
    using: str,
    atomic_requests: bool,
    gate: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exceptions, validation errors, 403 and 429. Without it the jti stays used."""
    setting = connections[using].settings_dict
    monkeypatch.setitem(setting, "ATOMIC_REQUESTS", atomic_requests)
    auth = type("Auth", (JTIAuthentication,), {"using": using})
    once = type("Once", (SingleUse,), {"using": using})
    gates = {
        "class": {"authentication_classes": [auth]},
        "permission": {"authentication_classes": [Elsewhere], "permission_classes": [once]},
    }[gate]
    failures = [
        ({"post": failing(ValidationError("no"), using)}, 400),
        ({"post": failing(LookupError(), using)}, 500),
        ({"throttle_classes": [Full]}, 429),
    ]
    if gate == "class":
        failures.append(({"permission_classes": [IsAdminUser]}, 403))
    for attributes, status in failures:
        Work.objects.using(using).all().delete()
        client, headers = serve(variant(**gates | attributes)), bearer(signed())
        answers = []
        for _ in range(2):
            answers.append(client.post("/", headers=headers).status_code)
            assert not (atomic_requests and Work.objects.using(using).exists())
        assert answers == ([status] * 2 if atomic_requests else [status, 401])


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("using", ["default"], indirect=True)
def test_what_commits_keeps(serve: Serve, using: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ATOMIC_REQUESTS the reservation is bound to the request's transaction."""
    monkeypatch.setitem(connections[using].settings_dict, "ATOMIC_REQUESTS", True)
    client, headers = serve(Exchange.as_view()), bearer(signed())
    answers = [client.post("/", headers=headers).status_code for _ in range(2)]
    assert answers == [200, 401]
