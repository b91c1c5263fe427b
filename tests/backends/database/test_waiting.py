"""Who wants a jti that an open transaction has reserved waits for its outcome, not forever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction

from jti_replay import CacheError, replay_cache
from jti_replay.backends.database.statements.postgresql import SAVEPOINT
from jti_replay.models import ReservedJTI
from tests.backends.database.conftest import EACH_LEVEL, SNAPSHOTS, UseCache
from tests.backends.database.rival import LIMIT, in_thread, rival
from tests.models import Work
from tests.rollback.blocks import failing_block
from tests.stopwatch import takes_at_most

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
        with transaction.atomic(alias):
            with takes_at_most(2, at_least=0.2):
                reservation = replay_cache.reserve("a")
            Work.objects.using(alias).create(name="later work")
    assert (reservation is None) is commit
    assert Work.objects.using(alias).filter(name="later work").exists()
    assert replay_cache.reserve("a") is None


def assert_seen_in_snapshot(using: str) -> None:
    """A replay that a transaction's snapshot hides is seen, and its work is stored."""
    with rival(using, "a") as somebody, transaction.atomic(using):
        assert Work.objects.using(using).count() == 0  # Takes the snapshot.
        somebody.end(commit=True)
        assert replay_cache.reserve("a") is None
        assert replay_cache.reserve("b")
        assert replay_cache.reserve("b") is None
        Work.objects.using(using).create(name="work")
    assert Work.objects.using(using).count() == 1
    assert replay_cache.reserve("b") is None


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
    assert_seen_in_snapshot(postgres)


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
    assert_seen_in_snapshot(server)


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


@pytest.mark.parametrize("server", ["postgres with snapshots"], indirect=True)
def test_no_savepoint_is_left_behind(server: str, use_cache: UseCache) -> None:
    """Many of them would make a transaction slow."""
    use_cache(server)
    with transaction.atomic(server):
        assert replay_cache.reserve("a")
        assert replay_cache.reserve("a") is None
        with pytest.raises(OperationalError, match="does not exist"):
            connections[server].cursor().execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
        transaction.set_rollback(True, using=server)


BROKEN = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'the table is broken'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION refuse()
"""


@pytest.mark.parametrize("server", ["postgres with snapshots"], indirect=True)
def test_an_insert_that_fails_under_a_snapshot_is_an_error(
    server: str, use_cache: UseCache
) -> None:
    """Only what says that the snapshot is too old means that somebody else has the jti."""
    use_cache(server)
    cursor, table = connections[server].cursor(), ReservedJTI._meta.db_table
    cursor.execute(BROKEN.format(table))
    try:
        with transaction.atomic(server):
            assert Work.objects.using(server).count() == 0
            with pytest.raises(CacheError, match="the table is broken"):
                replay_cache.reserve("a")
            transaction.set_rollback(True, using=server)
    finally:
        cursor.execute(f"DROP TRIGGER refuse ON {table}; DROP FUNCTION refuse")
    assert replay_cache.reserve("a")


def test_a_savepoint_that_rolls_back_frees_its_jti_at_once(
    postgres: str, use_cache: UseCache
) -> None:
    use_cache(postgres, timeout=0.1)
    with transaction.atomic(postgres), ThreadPoolExecutor(1) as executor:
        with failing_block(postgres):
            assert replay_cache.reserve("a")
        assert in_thread(executor, lambda: replay_cache.reserve("a")).result(LIMIT)
