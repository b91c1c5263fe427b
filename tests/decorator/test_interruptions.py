"""A signal handler that raises between the reserve and the view leaves no token used up."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import NoReturn

import pytest
from django.test import RequestFactory
from django.utils.connection import ConnectionDoesNotExist

from jti_replay import replay_cache
from jti_replay.admission import admit
from jti_replay.admission.admit import judge, reserve
from jti_replay.admission.entrance import bind
from jti_replay.profiles import get_profile
from jti_replay.steps import run
from tests.tokens.tokens import bearer, signed


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_jti_whose_reservation_nobody_got_is_given_back(is_async: bool) -> None:
    """Celery's time limit, for example, raises wherever a worker is."""
    request = RequestFactory().post("/", headers=bearer(signed()))
    candidate = run(judge(get_profile("default"), request))
    steps = reserve(candidate, request)
    take, atake, _ = next(steps)
    if is_async:
        asyncio.run(atake())  # type: ignore[arg-type]
    else:
        take()
    assert replay_cache.count() == 1
    with pytest.raises(KeyboardInterrupt):
        run(steps, KeyboardInterrupt())
    assert replay_cache.count() == 0


def test_a_jti_is_given_back_while_its_times_are_judged_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The view has not run, and never will."""

    def interrupt() -> NoReturn:
        raise KeyboardInterrupt

    request = RequestFactory().post("/", headers=bearer(signed()))
    candidate = run(judge(get_profile("default"), request))
    monkeypatch.setattr(admit, "time", SimpleNamespace(time=interrupt))
    with pytest.raises(KeyboardInterrupt):
        run(reserve(candidate, request))
    assert replay_cache.count() == 0


def test_a_jti_that_cannot_be_bound_is_given_back() -> None:
    """An integration admits a request before its view, which then does not run."""
    reservation = replay_cache.reserve("a")
    assert reservation
    with pytest.raises(ConnectionDoesNotExist):
        bind(reservation, "no such database")
    assert replay_cache.count() == 0
