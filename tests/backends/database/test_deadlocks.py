"""MySQL and MariaDB end a deadlock by a rollback, and let the session go on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError, connections, transaction
from django.http import HttpResponse

from jti_replay import ReservationLost, replay_cache
from jti_replay.decorators import reserve_jti
from jti_replay.models import ReservedJTI
from jti_replay.signals import cache_failed
from tests.backends.database.conftest import UseCache
from tests.backends.database.rival import LIMIT, in_thread
from tests.models import Work
from tests.rollback.blocks import failing_block
from tests.rollback.signals import connected
from tests.rollback.tokens import bearer, new_token

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.parametrize("server", ["mariadb", "mariadb with snapshots"], indirect=True),
]


@pytest.fixture(autouse=True)
def _empty(server: str) -> None:
    # Django does not flush a database that the test itself has brought up.
    Work.objects.using(server).all().delete()
    ReservedJTI.objects.using(server).all().delete()


def lose_the_transaction(using: str) -> None:
    """Do what InnoDB does to the victim of a deadlock, without telling Django."""
    with connections[using].cursor() as cursor:
        cursor.execute("ROLLBACK")


def work(using: str, name: str = "work") -> None:
    Work.objects.using(using).create(name=name)


def done(using: str) -> list[str]:
    return list(Work.objects.using(using).values_list("name", flat=True))


def be_a_victim(using: str) -> None:
    """Be the victim of a real deadlock: the other transaction has written more."""
    first, second = Work.objects.using(using).filter(name__in=["first", "second"])
    has_locked, go = threading.Event(), threading.Event()

    def other() -> None:
        with transaction.atomic(using):
            Work.objects.using(using).bulk_create(Work(name=f"{n}") for n in range(50))
            Work.objects.using(using).select_for_update().get(pk=second.pk)
            has_locked.set()
            assert go.wait(LIMIT)
            Work.objects.using(using).select_for_update().get(pk=first.pk)
            transaction.set_rollback(True, using=using)

    Work.objects.using(using).select_for_update().get(pk=first.pk)
    with ThreadPoolExecutor(1) as executor:
        waiting = in_thread(executor, other)
        assert has_locked.wait(LIMIT)
        go.set()
        try:
            Work.objects.using(using).select_for_update().get(pk=second.pk)
        finally:
            waiting.result(LIMIT)


def test_a_victim_that_retries_is_answered_503(
    server: str, use_cache: UseCache, serve: Any
) -> None:
    """The work goes with the jti, and the retry of the client is accepted."""
    use_cache(server)
    work(server, "first")
    work(server, "second")
    deadlocks: list[int] = []
    told: list[str] = []

    @reserve_jti(using=server)
    def view(request: Any) -> HttpResponse:
        if not deadlocks:
            with pytest.raises(OperationalError) as caught:
                be_a_victim(server)
            deadlocks.append(caught.value.args[0])
        work(server)
        return HttpResponse()

    def receiver(**kwargs: Any) -> None:
        told.append(type(kwargs["error"]).__name__)

    client, headers = serve(view), bearer(new_token())
    with connected(cache_failed, receiver):
        assert client.post("/", headers=headers).status_code == 503
    assert (deadlocks, told, done(server)) == ([1213], ["ReservationLost"], ["first", "second"])
    assert client.post("/", headers=headers).status_code == 200
    assert done(server) == ["first", "second", "work"]
    assert client.post("/", headers=headers).status_code == 401


def test_only_a_deadlock_is_a_lost_race(server: str, use_cache: UseCache) -> None:
    """Outside a transaction, the statement is then sent again."""
    cache: Any = use_cache(server)
    work(server, "first")
    work(server, "second")
    statements = cache._table.statements(connections[server])
    with pytest.raises(OperationalError) as deadlock, transaction.atomic(server):
        be_a_victim(server)
    with pytest.raises(ProgrammingError) as other, connections[server].cursor() as cursor:
        cursor.execute("SELECT 1 FROM unknown")
    assert [statements.lost_a_race(each.value) for each in (deadlock, other)] == [True, False]


def test_work_without_its_jti_is_not_committed(server: str, use_cache: UseCache) -> None:
    use_cache(server)

    def retry() -> None:
        with transaction.atomic(server):
            assert replay_cache.reserve("a")
            lose_the_transaction(server)
            work(server)

    with pytest.raises(ReservationLost):
        retry()
    assert done(server) == []
    assert replay_cache.reserve("a")


@pytest.mark.parametrize("end", [transaction.commit, lambda using: switch_on(using)])
def test_so_it_is_with_autocommit_off(server: str, use_cache: UseCache, end: Any) -> None:
    """Also where autocommit is switched on, which commits."""
    use_cache(server)
    transaction.set_autocommit(False, server)
    try:
        assert replay_cache.reserve("a")
        lose_the_transaction(server)
        work(server)
        with pytest.raises(ReservationLost):
            end(server)
        transaction.rollback(server)
    finally:
        transaction.set_autocommit(True, server)
    assert done(server) == []


def switch_on(using: str) -> None:
    transaction.set_autocommit(True, using)


def test_a_jti_that_is_reserved_again_pays_for_the_retry(
    server: str, use_cache: UseCache
) -> None:
    use_cache(server)
    with transaction.atomic(server):
        assert replay_cache.reserve("a")
        lose_the_transaction(server)
        assert replay_cache.reserve("a")
        work(server)
    assert done(server) == ["work"]
    assert replay_cache.reserve("a") is None


def test_what_is_rightly_gone_does_not_stop_a_commit(server: str, use_cache: UseCache) -> None:
    """It was released, or went with a savepoint, also one that is older than any jti."""
    use_cache(server)
    with transaction.atomic(server):
        with failing_block(server):
            assert replay_cache.reserve("a")
        released = replay_cache.reserve("b")
        assert released
        assert released.release()
        with transaction.atomic(server):
            assert replay_cache.reserve("c")
        with failing_block(server):
            assert replay_cache.reserve("d")
        work(server)
    assert [jti for jti in "abcd" if replay_cache.reserve(jti)] == ["a", "b", "d"]


def test_a_view_that_loses_one_of_its_own_is_not_answered_for(
    server: str, use_cache: UseCache, serve: Any
) -> None:
    """The decorator has no transaction, so it cannot know what was rolled back."""
    use_cache(server)

    @reserve_jti(using=server, atomic=False)
    def view(request: Any) -> HttpResponse:
        raise ReservationLost

    assert serve(view).post("/", headers=bearer(new_token())).status_code == 500
