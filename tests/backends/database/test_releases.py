"""A release that was reported stays true, whatever becomes of its transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connections, transaction

from jti_replay import CacheError, Reservation, release_on_rollback, replay_cache
from jti_replay.models import ReservedJTI
from jti_replay.signals import jti_released
from tests.backends.database.conftest import EACH, SNAPSHOTS, UseCache
from tests.backends.database.rival import LIMIT, in_thread, rival
from tests.models import Work
from tests.rollback.blocks import failing_block
from tests.rollback.signals import connected
from tests.stopwatch import takes_at_most

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

EACH_AND_IN_MEMORY = pytest.mark.parametrize(
    "server", ["default", "memory", "postgres", "mariadb", *SNAPSHOTS], indirect=True
)

Release = Callable[[Reservation], bool]


def by_name(reservation: Reservation) -> bool:
    return replay_cache.release(reservation.jti)


def by_digest(reservation: Reservation) -> bool:
    cache: Any = replay_cache
    return bool(cache.release_digest(cache.key("", reservation.jti).digest, ""))


EACH_WAY = pytest.mark.parametrize("release", [Reservation.release, by_name, by_digest])


def reserve(jti: str) -> Reservation:
    reservation = replay_cache.reserve(jti)
    assert reservation
    return reservation


@EACH_AND_IN_MEMORY
@EACH_WAY
def test_an_older_jti_stays_free_after_a_rollback(
    server: str, use_cache: UseCache, release: Release
) -> None:
    """The transaction has written before, so that SQLite lets no other connection write."""
    use_cache(server)
    reservation = reserve("a")
    with failing_block(server):
        Work.objects.using(server).create(name="work")
        assert release(reservation)
        assert not release(reservation)
    assert not Work.objects.using(server).exists()
    assert replay_cache.reserve("a")


@EACH_AND_IN_MEMORY
@EACH_WAY
@pytest.mark.parametrize("commits", [True, False])
def test_a_rollback_to_a_savepoint_does_not_bring_it_back(
    server: str, use_cache: UseCache, release: Release, commits: bool
) -> None:
    """That of an inner savepoint, and then that of the one around it."""
    use_cache(server)
    older = reserve("older")
    with transaction.atomic(server):
        own = reserve("own")
        with failing_block(server):
            with failing_block(server):
                assert release(older)
                assert release(own)
            Work.objects.using(server).create(name="work")
        transaction.set_rollback(not commits, using=server)
    assert replay_cache.reserve("older")
    assert replay_cache.reserve("own")


@EACH_AND_IN_MEMORY
@EACH_WAY
@pytest.mark.parametrize("commits", [True, False])
def test_one_that_the_transaction_has_locked_stays_free(
    server: str, use_cache: UseCache, release: Release, commits: bool
) -> None:
    """A reserve that finds it taken may lock it."""
    use_cache(server)
    reservation = reserve("a")
    with transaction.atomic(server):
        assert replay_cache.reserve("a") is None
        with failing_block(server):
            assert release(reservation)
        transaction.set_rollback(not commits, using=server)
    assert replay_cache.reserve("a")


@EACH
@pytest.mark.parametrize("commits", [True, False])
def test_a_jti_of_the_transaction_itself_is_free(
    server: str, use_cache: UseCache, commits: bool
) -> None:
    use_cache(server)
    with transaction.atomic(server):
        reservation = reserve("a")
        assert reservation.release()
        assert not reservation.release()
        assert replay_cache.reserve("a")
        assert replay_cache.release("a")
        transaction.set_rollback(not commits, using=server)
    assert not reservation.release()
    assert replay_cache.reserve("a")


@EACH
def test_one_that_went_with_a_savepoint_is_not_released(
    server: str, use_cache: UseCache
) -> None:
    use_cache(server)
    with transaction.atomic(server):
        with failing_block(server):
            reservation = reserve("a")
        assert not reservation.release()
        assert replay_cache.reserve("a")


def test_with_autocommit_off_an_older_jti_stays_free(use_cache: UseCache) -> None:
    use_cache("default")
    reservation = reserve("a")
    transaction.set_autocommit(False)
    try:
        Work.objects.create(name="work")
        assert reservation.release()
        transaction.rollback()
        assert not connections["default"].connection.in_transaction
    finally:
        transaction.set_autocommit(True)
    assert replay_cache.reserve("a")


def test_a_connection_that_is_closed_does_not_bring_it_back(use_cache: UseCache) -> None:
    use_cache("default")
    reservation = reserve("a")
    with failing_block("default"):
        assert reservation.release()
        connections["default"].close()
    assert replay_cache.reserve("a")


def test_a_release_that_cannot_be_made_again_is_logged(
    use_cache: UseCache, caplog: pytest.LogCaptureFixture
) -> None:
    cache: Any = use_cache("default")
    reservation = reserve("a")

    def fail(*args: Any) -> None:
        raise RuntimeError("out of order")

    with pytest.MonkeyPatch.context() as patch, failing_block("default"):
        assert reservation.release()
        patch.setattr(cache._releases, "_release_after_end", fail)
    assert "is reserved again: out of order" in caplog.text


@pytest.mark.parametrize("using", ["memory", "default"])
def test_a_bound_jti_that_is_older_is_released_by_a_rollback(
    transactional_db: None, use_cache: UseCache, using: str
) -> None:
    """On SQLite, where only the connection itself may be able to write, or to reach it."""
    use_cache(using)
    first, second, third = (reserve(jti) for jti in "abc")
    with failing_block(using):
        Work.objects.using(using).create(name="work")
        assert release_on_rollback(first, using)
        with failing_block(using):
            assert release_on_rollback(second, using)
        assert replay_cache.reserve("b")
    with failing_block(using):
        assert release_on_rollback(third, using)
        connections[using].close()
    assert [jti for jti in "abc" if replay_cache.reserve(jti)] == ["a", "b", "c"]


@EACH
def test_an_operator_waits_for_the_transaction_that_reserves(
    server: str, use_cache: UseCache
) -> None:
    use_cache(server, timeout=5)
    with rival(server, "a") as somebody:
        somebody.end_later(0.2, commit=True)
        assert replay_cache.release("a")
    assert replay_cache.reserve("a")


@pytest.mark.parametrize("server", ["postgres", "mariadb", *SNAPSHOTS], indirect=True)
@pytest.mark.parametrize("joined", [True, False], ids=["transaction", "autocommit"])
@pytest.mark.parametrize("call", ["reserve", "release"])
def test_a_transaction_that_goes_on_after_a_release_is_given_up(
    server: str, use_cache: UseCache, joined: bool, call: str
) -> None:
    """It has released its own jti, which it may still bring back."""
    use_cache(server, timeout=0.2)
    held, done = threading.Event(), threading.Event()

    def release_and_go_on() -> None:
        with transaction.atomic(server):
            assert reserve("a").release()
            held.set()
            assert done.wait(LIMIT)

    def ask() -> None:
        block = transaction.atomic(server) if joined else nullcontext()
        with takes_at_most(5), block, pytest.raises(CacheError):
            getattr(replay_cache, call)("a")

    with ThreadPoolExecutor(2) as executor:
        going_on = in_thread(executor, release_and_go_on)
        assert held.wait(LIMIT)
        try:
            in_thread(executor, ask).result(LIMIT)
        finally:
            done.set()
        going_on.result(LIMIT)
    assert replay_cache.reserve("a")


@EACH
def test_a_release_in_a_transaction_is_signalled_once(server: str, use_cache: UseCache) -> None:
    use_cache(server)
    told: list[str] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs["digest"])

    reservation = reserve("a")
    with connected(jti_released, receiver), failing_block(server):
        assert reservation.release()
    assert told == [reservation.digest]
    assert not ReservedJTI.objects.using(server).exists()
