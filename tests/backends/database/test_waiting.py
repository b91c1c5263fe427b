"""Who wants a jti that an open transaction has reserved waits for its outcome, not forever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.http import HttpResponse

from jti_replay import CacheError, replay_cache
from jti_replay.decorators import reserve_jti
from jti_replay.signals import cache_failed
from tests.backends.database.conftest import EACH, EACH_LEVEL, SNAPSHOTS, UseCache
from tests.backends.database.rival import LIMIT, in_thread, rival
from tests.models import Work
from tests.rollback.blocks import failing_block
from tests.rollback.signals import connected
from tests.rollback.tokens import ISSUER, PROFILE, bearer, new_token

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ISOLATED = pytest.mark.parametrize(
    "level", ["read committed", "repeatable read", "serializable"], indirect=True
)


@pytest.fixture
def level(
    request: pytest.FixtureRequest, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """An isolation level of PostgreSQL, which all connections have."""
    connections[postgres].close()
    escaped = request.param.replace(" ", r"\ ")
    monkeypatch.setitem(
        connections[postgres].settings_dict["OPTIONS"],
        "options",
        f"-c default_transaction_isolation={escaped}",
    )
    yield request.param
    connections[postgres].close()


def assert_outcome(alias: str, *, commit: bool) -> None:
    """Assert that a reserve in a transaction waits, is right, and breaks nothing."""
    with rival(alias, "a") as somebody:
        somebody.end_later(0.3, commit=commit)
        start = time.monotonic()
        with transaction.atomic(alias):
            reservation = replay_cache.reserve("a")
            waited = time.monotonic() - start
            Work.objects.using(alias).create(name="later work")
    assert 0.2 < waited < 2
    assert (reservation is None) is commit
    assert Work.objects.using(alias).filter(name="later work").exists()
    assert replay_cache.reserve("a") is None


@EACH_LEVEL
@pytest.mark.parametrize("commit", [True, False], ids=["commits", "rolls back"])
def test_the_outcome_of_another_transaction_is_waited_for(
    server: str, use_cache: UseCache, commit: bool
) -> None:
    use_cache(server)
    assert_outcome(server, commit=commit)


@EACH_LEVEL
@pytest.mark.parametrize("commit", [True, False], ids=["commits", "rolls back"])
def test_so_is_it_without_a_transaction_of_ones_own(
    server: str, use_cache: UseCache, commit: bool
) -> None:
    use_cache(server)
    with rival(server, "a") as somebody:
        somebody.end_later(0.2, commit=commit)
        assert (replay_cache.reserve("a") is None) is commit


@ISOLATED
@pytest.mark.parametrize("commit", [True, False], ids=["commits", "rolls back"])
def test_the_outcome_is_right_at_each_isolation_level(
    level: str, postgres: str, use_cache: UseCache, commit: bool
) -> None:
    use_cache(postgres)
    assert_outcome(postgres, commit=commit)
    with connections[postgres].cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == (level,)


@ISOLATED
@pytest.mark.parametrize("commit", [True, False], ids=["commits", "rolls back"])
def test_it_is_right_at_each_isolation_level_in_autocommit(
    level: str, postgres: str, use_cache: UseCache, commit: bool
) -> None:
    use_cache(postgres)
    with rival(postgres, "a") as somebody:
        somebody.end_later(0.2, commit=commit)
        assert (replay_cache.reserve("a") is None) is commit
    assert replay_cache.reserve("a") is None


@ISOLATED
def test_a_replay_is_seen_at_each_isolation_level(
    level: str, postgres: str, use_cache: UseCache
) -> None:
    use_cache(postgres)
    with rival(postgres, "a") as somebody, transaction.atomic(postgres):
        assert Work.objects.using(postgres).count() == 0  # Takes the snapshot.
        somebody.end(commit=True)
        time.sleep(0.1)
        assert replay_cache.reserve("a") is None
        assert replay_cache.reserve("b")
        assert replay_cache.reserve("b") is None
        Work.objects.using(postgres).create(name="work")
    assert Work.objects.using(postgres).count() == 1
    assert replay_cache.reserve("b") is None


@ISOLATED
def test_transactions_with_other_jtis_do_not_disturb(
    level: str, postgres: str, use_cache: UseCache
) -> None:
    use_cache(postgres)
    with transaction.atomic(postgres):
        assert replay_cache.reserve("a")
        with rival(postgres, "b") as somebody:
            assert replay_cache.reserve("c")
            somebody.end(commit=True)
        assert replay_cache.reserve("d")
    assert [jti for jti in "abcd" if replay_cache.reserve(jti)] == []


@ISOLATED
def test_threads_that_race_without_transactions_all_get_an_answer(
    level: str, postgres: str, use_cache: UseCache
) -> None:
    use_cache(postgres)
    start = threading.Barrier(8)

    def race() -> list[int]:
        start.wait(LIMIT)
        return [jti for jti in range(20) if replay_cache.reserve(f"{jti}")]

    with ThreadPoolExecutor(8) as executor:
        races = [in_thread(executor, race) for _ in range(8)]
        assert sorted(jti for won in races for jti in won.result(LIMIT)) == list(range(20))


@pytest.mark.parametrize("server", ["mariadb", *SNAPSHOTS], indirect=True)
def test_a_replay_hidden_by_a_snapshot_breaks_nothing(server: str, use_cache: UseCache) -> None:
    """Nor does a second reserve of a jti of the transaction itself."""
    use_cache(server)
    with rival(server, "a") as somebody, transaction.atomic(server):
        assert Work.objects.using(server).count() == 0  # Takes the snapshot.
        somebody.end(commit=True)
        time.sleep(0.1)
        assert replay_cache.reserve("a") is None
        assert replay_cache.reserve("b")
        assert replay_cache.reserve("b") is None
        Work.objects.using(server).create(name="work")
    assert Work.objects.using(server).count() == 1
    assert replay_cache.reserve("b") is None


@pytest.mark.parametrize("server", ["mariadb with snapshots"], indirect=True)
@pytest.mark.parametrize("commits", [True, False])
def test_a_row_that_comes_between_look_and_insert_decides(
    server: str, use_cache: UseCache, commits: bool
) -> None:
    """The insert then ends the transaction, and the answer is right all the same."""
    cache: Any = use_cache(server)
    table = cache._table
    look, looks = type(table)._look, 0

    def look_too_early(*args: Any) -> bool:
        nonlocal looks
        looks += 1
        found = look(table, *args)
        if looks == 1:
            with ThreadPoolExecutor(1) as executor:
                assert in_thread(executor, lambda: replay_cache.reserve("a")).result(LIMIT)
        elif not commits:
            return False  # As if it had been released again.
        return found

    with transaction.atomic(server), pytest.MonkeyPatch.context() as patch:
        assert Work.objects.using(server).count() == 0
        patch.setattr(table, "_look", look_too_early)
        if commits:
            assert replay_cache.reserve("a") is None
        else:
            with pytest.raises(CacheError, match="1020"):
                replay_cache.reserve("a")
        assert connections[server].needs_rollback
    assert looks == 2


# Not forever.


@pytest.fixture
def impatient(server: str, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with a cache that does not wait for long."""
    connections[server].close()
    if server == "default":
        monkeypatch.setitem(connections[server].settings_dict["OPTIONS"], "timeout", 0.2)
    use_cache(server, timeout=0.2)
    return server


@EACH
@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "transaction"])
def test_a_transaction_that_does_not_end_is_given_up(impatient: str, atomic: bool) -> None:
    with rival(impatient, "a"):
        start = time.monotonic()
        block = transaction.atomic(impatient if atomic else "memory")
        with block, pytest.raises(CacheError):
            replay_cache.reserve("a")
        assert 0.15 < time.monotonic() - start < 2
    assert replay_cache.reserve("a")


@EACH
@pytest.mark.parametrize("atomic_requests", [False, True])
def test_the_decorator_then_answers_503(
    impatient: str, serve: Any, monkeypatch: pytest.MonkeyPatch, atomic_requests: bool
) -> None:
    settings_dict = connections[impatient].settings_dict
    monkeypatch.setitem(settings_dict, "ATOMIC_REQUESTS", atomic_requests)
    client = serve(reserve_jti(using=impatient)(lambda request: HttpResponse()))
    headers = bearer(new_token(jti="a"))
    with rival(impatient, "a", ISSUER):
        response = client.post("/", headers=headers)
    assert response.status_code == 503
    assert response["Retry-After"]
    assert client.post("/", headers=headers).status_code == 200
    assert client.post("/", headers=headers).status_code == 401


@pytest.mark.parametrize("keeps_jtis", [True, False])
def test_a_transaction_that_cannot_be_opened_is_a_503(
    postgres: str, serve: Any, use_cache: UseCache, settings: Any, keeps_jtis: bool
) -> None:
    use_cache(postgres)
    if not keeps_jtis:
        settings.JTI_REPLAY = {"PROFILES": {"default": PROFILE}}  # It is in memory.
    client = serve(reserve_jti(using=postgres)(lambda request: HttpResponse()))
    headers = bearer(new_token())
    connections[postgres].close()
    told: list[str] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs["alias"])

    with pytest.MonkeyPatch.context() as patch, connected(cache_failed, receiver):
        patch.setitem(connections[postgres].settings_dict, "PORT", 1)
        status_code = client.post("/", headers=headers).status_code
    assert status_code == (503 if keeps_jtis else 500)
    assert told == (["default"] if keeps_jtis else [])
    assert client.post("/", headers=headers).status_code == 200


def test_a_sqlite_that_is_locked_is_a_503(
    transactional_db: None, serve: Any, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections["default"].close()
    options = connections["default"].settings_dict["OPTIONS"]
    monkeypatch.setitem(options, "transaction_mode", "IMMEDIATE")
    monkeypatch.setitem(options, "timeout", 0.2)
    use_cache("default")
    client = serve(reserve_jti(lambda request: HttpResponse()))
    headers = bearer(new_token())
    with rival("default", "another"):
        assert client.post("/", headers=headers).status_code == 503
    assert client.post("/", headers=headers).status_code == 200
    connections["default"].close()


@EACH
def test_of_two_that_cross_at_most_one_gets_both_jtis(
    server: str, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server == "default":
        connections[server].close()
        monkeypatch.setitem(connections[server].settings_dict["OPTIONS"], "timeout", 0.3)
    use_cache(server, timeout=0.3)
    both = threading.Barrier(2)

    def want(jtis: str) -> list[str]:
        got = []
        try:
            with transaction.atomic(server):
                for jti in jtis:
                    if replay_cache.reserve(jti):
                        got.append(jti)
                    with suppress(threading.BrokenBarrierError):
                        both.wait(0.2)  # SQLite lets only one of them come here.
        except CacheError:
            return []
        return got

    start = time.monotonic()
    with ThreadPoolExecutor(2) as executor:
        pairs = [in_thread(executor, lambda pair=pair: want(pair)) for pair in ("ab", "ba")]
        got = sorted(jti for pair in pairs for jti in pair.result(LIMIT))
    assert time.monotonic() - start < 5
    assert len(got) == len(set(got))
    assert sorted(jti for jti in "ab" if replay_cache.reserve(jti) is None) == got


def test_a_savepoint_that_rolls_back_frees_its_jti_at_once(
    postgres: str, use_cache: UseCache
) -> None:
    use_cache(postgres, timeout=0.1)
    with transaction.atomic(postgres), ThreadPoolExecutor(1) as executor:
        with failing_block(postgres):
            assert replay_cache.reserve("a")
        assert in_thread(executor, lambda: replay_cache.reserve("a")).result(LIMIT)


# SQLite.


@pytest.mark.parametrize("mode", ["DEFERRED", "IMMEDIATE"])
def test_a_sqlite_transaction_that_has_read_reserves_in_immediate_mode(
    transactional_db: None, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A deferred one fails if somebody has written since it began to read."""
    connections["default"].close()
    options = connections["default"].settings_dict["OPTIONS"]
    monkeypatch.setitem(options, "transaction_mode", mode)
    monkeypatch.setitem(options, "timeout", 0.2)
    use_cache("default")

    def write() -> None:
        Work.objects.create(name="of somebody else")

    with transaction.atomic(), ThreadPoolExecutor(1) as executor:
        assert Work.objects.count() == 0
        writing = in_thread(executor, write)
        if mode == "DEFERRED":
            writing.result(LIMIT)
            with pytest.raises(CacheError, match="locked"):
                replay_cache.reserve("a")
        else:
            assert isinstance(writing.exception(LIMIT), OperationalError)
            assert replay_cache.reserve("a")
    assert (replay_cache.reserve("a") is None) is (mode == "IMMEDIATE")
    connections["default"].close()
