"""Tokens of each kind where no transaction tells what became of the work."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from jti_replay import replay_cache
from tests.kinds.each_kind import Kind
from tests.kinds.sending import Site


class WorkFailed(Exception):
    pass


def fail(request: Any) -> NoReturn:
    raise WorkFailed


def refuse(request: Any) -> HttpResponse:
    return HttpResponse(status=400)


@pytest.fixture(params=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "async")


def again(site: Site, sent: dict[str, Any]) -> int:
    """Return the status of the answer when a token is sent again and the view succeeds."""
    site.answer = lambda request: HttpResponse()
    return site.send(RequestFactory().post("/", **sent)).status_code


@pytest.mark.parametrize("release", [False, True])
def test_an_exception_keeps_unless_it_is_said_to_release(
    kind: Kind, *, is_async: bool, release: bool
) -> None:
    """release_on_error says so, and logout tokens and security events do by themselves."""
    site = Site("default", is_async=is_async, atomic=False, release_on_error=release)
    site.answer, sent = fail, kind.sent()
    with pytest.raises(WorkFailed):
        site.send(RequestFactory().post("/", **sent))
    released = release or kind.case.releases_failures
    assert replay_cache.count() == (0 if released else 1)
    assert again(site, sent) == (200 if released else kind.case.replayed)


def test_an_answer_that_is_a_failure_keeps_unless_its_sender_tries_again(
    kind: Kind, *, is_async: bool
) -> None:
    """Logout tokens and security events are released by it."""
    site = Site("default", is_async=is_async, atomic=False)
    site.answer, sent = refuse, kind.sent()
    assert site.send(RequestFactory().post("/", **sent)).status_code == 400
    released = kind.case.releases_failures
    assert again(site, sent) == (200 if released else kind.case.replayed)


def test_a_success_uses_the_token_up(kind: Kind, *, is_async: bool) -> None:
    """The work is done."""
    site, sent = Site("default", is_async=is_async, atomic=False), kind.sent()
    assert [again(site, sent) for _ in range(3)] == [200, *[kind.case.replayed] * 2]
    assert len(site.requests) == 1


def test_a_view_that_releases_by_itself_gets_the_token_again(
    kind: Kind, *, is_async: bool
) -> None:
    """It knows best that nothing was done."""
    site, sent = Site("default", is_async=is_async, atomic=False), kind.sent()

    def give_back(request: Any) -> HttpResponse:
        assert request.jti_reservation.release() is True
        return HttpResponse()

    site.answer = give_back
    assert site.send(RequestFactory().post("/", **sent)).status_code == 200
    assert [again(site, sent) for _ in range(2)] == [200, kind.case.replayed]
