"""Security events and the work of their view: both are kept, or neither."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any, NoReturn

import pytest
from django.db import connections, transaction
from django.http import HttpResponse
from django.test import RequestFactory

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from tests.kinds.security_events import PROFILE, TYPE, accepted, event
from tests.models import Work
from tests.tokens.tokens import CACHES

from .sending import Site

DATABASE = "jti_replay.backends.database.DatabaseCache"


STORES: dict[str, dict[str, Any]] = {
    "memory": CACHES["default"],
    "joined": {"BACKEND": DATABASE},
    "apart": {"BACKEND": DATABASE, "OPTIONS": {"join": False}},
}


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("outer", [False, True])
@pytest.mark.parametrize(
    ("using", "store"),
    [
        ("default", "memory"),
        ("default", "joined"),  # Not apart: SQLite has one writer.
        ("postgres", "memory"),
        ("postgres", "joined"),
        ("postgres", "apart"),
    ],
)
def test_work_and_event_go_together(
    request: pytest.FixtureRequest, settings: Any, using: str, store: str, outer: bool
) -> None:
    """A rolled-back event runs again, a committed one is a duplicate, on every store."""
    if using == "postgres":
        request.getfixturevalue("postgres")
    params = {"TTL": 0, "LOCATION": using} | STORES[store]
    settings.JTI_REPLAY = {"CACHES": {"default": params}, "PROFILES": {"feed": PROFILE}}
    statuses = iter([400, 202])
    runs = []

    @reserve_jti("feed", using=using)
    def view(request: Any) -> HttpResponse:
        runs.append(request)
        Work.objects.using(using).create(name="work")
        return HttpResponse(status=next(statuses))

    token = event()

    def send() -> int:
        again = RequestFactory().post("/", token, content_type=TYPE)
        if outer:
            with transaction.atomic(using):
                response = view(again)
        else:
            response = view(again)
        return int(response.status_code)

    assert send() == 400
    assert not Work.objects.using(using).exists()
    assert [send(), send()] == [202, 202]
    assert Work.objects.using(using).count() == 1
    assert len(runs) == 2
    assert replay_cache.count() == 1


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_joined_duplicate_waits_for_the_outcome(settings: Any, postgres: str) -> None:
    """The second one runs if the first rolls back, and the event runs exactly once."""
    params = {"BACKEND": DATABASE, "LOCATION": postgres, "OPTIONS": {"timeout": 10}}
    settings.JTI_REPLAY = {"CACHES": {"default": params}, "PROFILES": {"feed": PROFILE}}
    inside, go_on = threading.Event(), threading.Event()
    token, answers = event(), []
    first = [True]

    @reserve_jti("feed", using=postgres)
    def view(request: Any) -> HttpResponse:
        Work.objects.using(postgres).create(name="work")
        if first.pop() if first else False:
            inside.set()
            go_on.wait(10)
            return HttpResponse(status=500)
        return accepted(request)

    def send() -> None:
        request = RequestFactory().post("/", token, content_type=TYPE)
        try:
            answers.append(view(request).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(2)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert sorted(answers) == [202, 500]
    assert Work.objects.using(postgres).count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_a_block_the_claim_lasts_for_its_lease(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """In manual transactions the end of the work is not told: the event runs again later."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"feed": PROFILE}}
    site = Site("feed", is_async=False, atomic=False)
    token = event()
    transaction.set_autocommit(False)
    try:
        assert site.post(token, TYPE).status_code == 200
        transaction.commit()
        with caplog.at_level(logging.INFO, "jti_replay"):
            assert site.post(token, TYPE).status_code == 503
        assert "An event is being processed: profile='feed'." in caplog.text
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


def test_an_async_view_can_release_an_event(settings: Any) -> None:
    """It wants the event again, although it answers 2xx."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"feed": PROFILE}}
    runs = []

    @reserve_jti("feed")
    async def view(request: Any) -> HttpResponse:
        runs.append(request)
        assert await request.jti_reservation.arelease()
        return accepted(request)

    again = RequestFactory().post("/", event(), content_type=TYPE)
    assert [asyncio.run(view(again)).status_code for _ in range(2)] == [202, 202]
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        ({}, True),
        (202, True),
        (400, False),
        ((202, {}), True),
        ((400, {}), False),
        ((400,), True),
        ((400, 1, 2), True),
    ],
    ids=str,
)
def test_what_a_framework_makes_an_answer_of_is_understood(
    settings: Any, answer: Any, taken: bool
) -> None:
    """To Ninja a status, or a pair of one and a body; anything else is a body to be sent."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"feed": PROFILE}}
    runs = []

    @reserve_jti("feed", atomic=False)
    def view(request: Any) -> Any:
        runs.append(request)
        return answer

    again = RequestFactory().post("/", event(), content_type=TYPE)
    assert view(again) == answer
    view(again)
    assert len(runs) == (1 if taken else 2)


@pytest.mark.django_db(transaction=True)
def test_without_a_transaction_a_duplicate_of_a_running_one_is_503(settings: Any) -> None:
    """On a store that could have been part of one, too: the first attempt may still fail."""
    settings.JTI_REPLAY = {
        "CACHES": {"default": STORES["joined"]},
        "PROFILES": {"feed": PROFILE},
    }
    token, inner = event(), []

    @reserve_jti("feed", atomic=False)
    def view(request: Any) -> HttpResponse:
        if not inner:
            inner.append(0)
            inner[0] = send()
        return accepted(request)

    def send() -> int:
        again = RequestFactory().post("/", token, content_type=TYPE)
        return int(view(again).status_code)

    assert [send(), *inner, send()] == [202, 503, 202]


@pytest.mark.django_db(transaction=True)
def test_a_block_whose_connection_was_closed_decides_nothing(settings: Any) -> None:
    """An event that is refused in it runs again, although there is nothing to roll back."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"feed": PROFILE}}
    site, token = Site("feed", is_async=False, atomic=False), event()
    site.answer = lambda request: HttpResponse(status=400)
    with transaction.atomic():
        connections["default"].close()
        assert [site.post(token, TYPE).status_code for _ in range(2)] == [400, 400]
    assert len(site.requests) == 2


@pytest.mark.django_db(transaction=True)
def test_in_manual_transactions_a_refused_event_runs_again(settings: Any) -> None:
    """There is no block that could be marked for rollback."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"feed": PROFILE}}
    site = Site("feed", is_async=False, atomic=False)
    site.answer = lambda request: HttpResponse(status=400)
    token = event()
    transaction.set_autocommit(False)
    try:
        assert [site.post(token, TYPE).status_code for _ in range(2)] == [400, 400]
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert len(site.requests) == 2


@pytest.mark.django_db(transaction=True)
def test_a_commit_takes_the_event_however_many_blocks_are_open(settings: Any) -> None:
    """A duplicate is then answered at once, and not after the lease."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"feed": PROFILE}}
    site = Site("feed", is_async=False)
    site.answer = accepted
    for _ in range(2):
        token = event()
        with transaction.atomic(), transaction.atomic():
            assert site.post(token, TYPE).status_code == 202
        assert site.post(token, TYPE).status_code == 202
    assert len(site.requests) == 2


@pytest.mark.django_db
def test_the_tests_of_a_project_see_its_own_callbacks_alone(
    settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    """In Django's TestCase nothing is committed, and the event is taken without that."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"feed": PROFILE}}
    site, token = Site("feed", is_async=False), event()
    site.answer = accepted
    with django_capture_on_commit_callbacks() as callbacks:
        assert [site.post(token, TYPE).status_code for _ in range(2)] == [202, 202]
    assert callbacks == []
    assert len(site.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_an_event_whose_view_was_interrupted_is_not_taken(settings: Any) -> None:
    """Even where its transaction is committed: the transmitter is told to send it again."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"feed": PROFILE}}

    @reserve_jti("feed")
    def view(request: Any) -> NoReturn:
        raise SystemExit

    again = RequestFactory().post("/", event(), content_type=TYPE)
    with transaction.atomic(), pytest.raises(SystemExit):
        view(again)
    assert view(again).status_code == 503


def test_cold_starts_are_refused_by_iat(settings: Any) -> None:
    """What may have been taken before the store began to remember is sent again."""
    params = CACHES["default"] | {"COLD_START": "refuse"}
    settings.JTI_REPLAY = {"CACHES": {"default": params}, "PROFILES": {"feed": PROFILE}}
    site = Site("feed", is_async=False, atomic=False)
    assert replay_cache.count() == 0
    assert site.post(event(), TYPE).status_code == 503
    assert site.post(event(iat=int(time.time()) + 29, jti="late"), TYPE).status_code == 503
    assert (site.requests, replay_cache.count()) == ([], 0)
