"""REST framework and transactions: what rolls back releases."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from django.db import connections
from django.utils.decorators import method_decorator
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAdminUser
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle

from jti_replay.contrib.rest_framework import JTIAuthentication, SingleUse
from jti_replay.decorators import reserve_jti
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


def answered(error: Any, context: Any) -> Response:
    """Make an answer of an exception, and leave the transaction as it is."""
    return Response({}, status=getattr(error, "status_code", 400))


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("dispatch", [False, True], ids=["class", "dispatch"])
@pytest.mark.parametrize("raised", [False, True], ids=["returned", "raised"])
def test_only_the_decorator_rolls_back_what_a_handler_answers(
    serve: Serve, attempted: str, dispatch: bool, raised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows an answer that was made of an exception. One that was returned commits."""
    monkeypatch.setitem(connections[attempted].settings_dict, "ATOMIC_REQUESTS", not dispatch)

    def post(self: Any, request: Any) -> Response:
        Work.objects.using(attempted).create(name="work")
        if raised:
            raise ValidationError("no")
        return answered(None, None)

    auth = type("Auth", (JTIAuthentication,), {"using": attempted})
    handler = {"get_exception_handler": lambda self: answered}
    view = type(
        "View", (Exchange,), {"authentication_classes": [auth], "post": post, **handler}
    )
    if dispatch:
        view = method_decorator(reserve_jti(using=attempted), name="dispatch")(view)
    client, headers = serve(view.as_view()), bearer(signed())
    statuses = [client.post("/", headers=headers).status_code for _ in range(2)]
    rolled_back = dispatch and raised
    assert statuses == ([400, 400] if rolled_back else [400, 401])
    assert Work.objects.using(attempted).exists() is not rolled_back
