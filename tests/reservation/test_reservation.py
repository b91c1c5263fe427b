"""The proof that a jti was new."""

from __future__ import annotations

import copy
import gc
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from jti_replay import Reservation, replay_cache
from jti_replay.reservation.digests import jti_digest

JTI = "a jti that nobody may read"


def reserved(*args: Any, **kwargs: Any) -> Reservation:
    reservation = replay_cache.reserve(JTI, *args, **kwargs)
    assert reservation is not None
    return reservation


@pytest.fixture(autouse=True)
def empty_cache(settings: Any) -> None:
    settings.JTI_REPLAY = {}


def test_it_says_what_was_reserved_and_where(rf: RequestFactory) -> None:
    expires_at, request = datetime(2100, 1, 1, tzinfo=UTC), rf.get("/")
    reservation = reserved(expires_at, namespace="issuer", request=request, profile="ci")
    assert reservation.request is request
    assert (reservation.jti, reservation.namespace) == (JTI, "issuer")
    assert (reservation.alias, reservation.profile) == ("default", "ci")
    assert reservation.expires_at == datetime(2100, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert reservation.digest == jti_digest("issuer", JTI).hex()[:16]


def test_it_is_true() -> None:
    assert bool(reserved()) is True


@pytest.mark.parametrize(
    "name",
    ["jti", "namespace", "expires_at", "alias", "digest", "profile", "request", "x"],
)
def test_it_cannot_be_changed(name: str) -> None:
    reservation = reserved()
    with pytest.raises(AttributeError):
        setattr(reservation, name, "changed")
    with pytest.raises(AttributeError):
        delattr(reservation, name)


def test_its_repr_does_not_show_the_jti() -> None:
    reservation = reserved(datetime(2100, 1, 1, tzinfo=UTC))
    assert JTI not in repr(reservation)
    assert repr(reservation) == (
        f"<Reservation {reservation.digest} in 'default' until 2100-01-01 00:00:01Z>"
    )


def test_it_shows_an_expiry_even_at_the_end_of_time() -> None:
    assert reserved(datetime.max.replace(tzinfo=UTC)).expires_at.year == 9999


def test_it_does_not_keep_its_request_alive(rf: RequestFactory) -> None:
    request: HttpRequest = rf.get("/")
    reservation = reserved(request=request)
    assert reservation.request is request
    del request
    gc.collect()
    assert reservation.request is None


def test_without_a_request_it_has_none() -> None:
    reservation = reserved()
    assert reservation.request is None
    assert reservation.profile is None


def test_a_copy_releases_the_same_entry_but_not_twice() -> None:
    reservation = reserved()
    assert copy.copy(reservation).release() is True
    assert reservation.release() is False


def test_it_can_be_a_member_of_a_set_and_equals_only_itself() -> None:
    reservation = reserved()
    reservation.release()
    again = reserved()
    assert len({reservation, again, reservation}) == 2


def test_only_the_live_one_of_two_of_a_jti_releases() -> None:
    first = reserved()
    assert replay_cache.release(JTI) is True
    second = reserved()
    assert first.release() is False
    assert replay_cache.reserve(JTI) is None
    assert second.release() is True


async def test_the_asynchronous_release_does_the_same() -> None:
    reservation = reserved()
    assert await reservation.arelease() is True
    assert await reservation.arelease() is False
    assert reservation.release() is False


def test_the_repr_shows_utc() -> None:
    assert re.search(r"until \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ>$", repr(reserved()))
