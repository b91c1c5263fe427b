"""Django REST framework answers an exception itself, and calls set_rollback() instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.db import connections, transaction
from django.test import Client
from django.utils.decorators import method_decorator

from jti_replay.decorators import reserve_jti
from tests.models import Work
from tests.rollback.tokens import bearer, new_token

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def api(using: str, handler: Callable[..., Any], *, decorate: str, **options: Any) -> Any:
    """Return a view of Django REST framework that stores some work and then fails."""
    from rest_framework.exceptions import ParseError
    from rest_framework.views import APIView

    @method_decorator(reserve_jti(using=using, **options), name=decorate)
    class API(APIView):
        authentication_classes = ()
        permission_classes = ()

        def get_exception_handler(self) -> Callable[..., Any]:
            return handler

        def post(self, request: Any) -> NoReturn:
            Work.objects.using(using).create(name="work")
            raise ParseError

    return API.as_view()


@pytest.fixture(autouse=True)
def _no_users(settings: Any) -> None:
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}


@pytest.mark.parametrize("decorate", ["dispatch", "post"])
def test_under_atomic_requests_its_own_handler_gives_the_token_back(
    using: str, decorate: str, serve: Callable[[Any], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rest_framework.views import exception_handler

    monkeypatch.setitem(connections[using].settings_dict, "ATOMIC_REQUESTS", True)
    client = serve(api(using, exception_handler, decorate=decorate))
    headers = bearer(new_token())
    for _ in range(2):
        assert client.post("/", headers=headers).status_code == 400
        assert not Work.objects.using(using).exists()


@pytest.mark.parametrize("atomic_requests", [False, True])
def test_a_handler_of_the_project_that_calls_set_rollback_gives_the_token_back(
    using: str,
    atomic_requests: bool,
    serve: Callable[[Any], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rest_framework.views import exception_handler

    def handler(error: Exception, context: Any) -> Any:
        transaction.set_rollback(True, using=using)
        return exception_handler(error, context)

    monkeypatch.setitem(connections[using].settings_dict, "ATOMIC_REQUESTS", atomic_requests)
    client = serve(api(using, handler, decorate="dispatch"))
    headers = bearer(new_token())
    for _ in range(2):
        assert client.post("/", headers=headers).status_code == 400
        assert not Work.objects.using(using).exists()


@pytest.mark.parametrize("decorate", ["dispatch", "post"])
def test_without_atomic_requests_the_decorator_rolls_back(
    using: str, decorate: str, serve: Callable[[Any], Client]
) -> None:
    """REST framework says of a response that an exception was turned into it."""
    from rest_framework.views import exception_handler

    client = serve(api(using, exception_handler, decorate=decorate))
    headers = bearer(new_token())
    for _ in range(2):
        assert client.post("/", headers=headers).status_code == 400
        assert not Work.objects.using(using).exists()


def test_without_a_transaction_an_exception_keeps(
    using: str, serve: Callable[[Any], Client]
) -> None:
    """As it does when it comes out of the view; release_on_error says otherwise."""
    from rest_framework.views import exception_handler

    for release, expected in ((False, [400, 401]), (True, [400, 400])):
        view = api(
            using,
            exception_handler,
            decorate="dispatch",
            atomic=False,
            release_on_error=release,
        )
        Work.objects.using(using).all().delete()
        client, headers = serve(view), bearer(new_token())
        answers = []
        for _ in range(2):
            answers.append(client.post("/", headers=headers).status_code)
            Work.objects.using(using).all().delete()
        assert answers == expected
