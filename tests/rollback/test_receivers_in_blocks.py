"""What receivers do in an open transaction is a part of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.db import Error, connections, transaction
from django.test.utils import CaptureQueriesContext

from jti_replay import release_on_rollback, replay_cache, signals
from jti_replay.reservation.shield import ENDING_METHODS, NAME
from jti_replay.rollback.wrapped_methods import wrap_method
from tests.models import Work
from tests.rollback.blocks import failing_block
from tests.rollback.signals import receiving

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_what_receivers_write_goes_with_the_transaction(using: str) -> None:
    """A row of a receiver is committed or rolled back like the others."""
    create = partial(Work.objects.using(using).create, name="row")
    for block, stays in ((failing_block(using), False), (transaction.atomic(using), True)):
        with receiving(signals.jti_reserved, create), block:
            assert replay_cache.reserve(f"{stays}")
        assert Work.objects.using(using).filter(name="row").exists() is stays


def test_savepoints_of_receivers_are_not_counted(using: str) -> None:
    """A project counts the queries of its receivers, and no others."""
    create = partial(Work.objects.using(using).create, name="row")
    with (
        receiving(signals.jti_reserved, create),
        transaction.atomic(using),
        CaptureQueriesContext(connections[using]) as queries,
    ):
        assert release_on_rollback(replay_cache.reserve("a"), using)
    assert [query["sql"].split()[0] for query in queries] == ["INSERT"]


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
def test_a_query_of_a_receiver_leaves_no_savepoint(postgres: str, fails: bool) -> None:
    """PostgreSQL slows down when many are open in a transaction."""
    if fails:
        Work.objects.using(postgres).create(name="row")

    def create() -> None:
        with suppress(Error):
            Work.objects.using(postgres).create(name="row")

    with transaction.atomic(postgres):
        with receiving(signals.jti_reserved, create):
            assert replay_cache.reserve("a")
        with pytest.raises(Error, match=NAME), transaction.atomic(postgres):
            connections[postgres].cursor().execute(f"RELEASE SAVEPOINT {NAME}")


@pytest.mark.parametrize("has_own", [False, True])
def test_what_a_receiver_wraps_stays_wrapped(
    using: str, monkeypatch: pytest.MonkeyPatch, has_own: bool
) -> None:
    """A reservation that a receiver binds, for example, is settled with the transaction."""
    database = connections[using]
    called: list[str] = []

    def own() -> None:
        type(database).close(database)
        called.append("own")

    def close(original: Callable[[], None]) -> None:
        original()
        called.append("wrapped")

    monkeypatch.setitem(vars(database), "close", own)
    if not has_own:
        monkeypatch.delitem(vars(database), "close")

    wrap = partial(wrap_method, database, "close", close)
    with receiving(signals.jti_reserved, wrap), transaction.atomic(using):
        assert replay_cache.reserve("a")
    assert not called
    database.close()
    assert called == ["own", "wrapped"][not has_own :]
    assert using == "memory" or database.connection is None


def test_a_method_that_a_receiver_replaces_is_the_only_one_that_stays(using: str) -> None:
    """The others end the transaction as they did before the signal."""
    database = connections[using]
    before = {name: vars(database).get(name) for name in ENDING_METHODS}

    def close() -> None:
        type(database).close(database)

    replace = partial(setattr, database, "close", close)
    with receiving(signals.jti_reserved, replace), transaction.atomic(using):
        assert replay_cache.reserve("a")
    after = {name: vars(database).get(name) for name in ENDING_METHODS}
    if before["close"] is None:
        del database.close
    else:
        database.close = before["close"]
    assert after == before | {"close": close}


def test_a_query_of_a_receiver_returns_what_it_does_elsewhere(using: str) -> None:
    """Drivers return a cursor from execute()."""
    rows: list[Any] = []

    def query() -> None:
        cursor: Any = connections[using].cursor()
        rows.append(cursor.execute("SELECT 1").fetchone())

    with receiving(signals.jti_reserved, query), transaction.atomic(using):
        assert replay_cache.reserve("a")
    assert rows == [(1,)]


def test_a_database_that_is_not_used_is_not_loaded(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its driver may not even be there."""
    called: list[bool] = []
    absent = connections.databases["default"] | {"ENGINE": "no_such_engine"}
    with monkeypatch.context() as patch:
        patch.setitem(connections.databases, "absent", absent)
        with receiving(signals.jti_reserved, partial(called.append, True)):
            assert replay_cache.reserve("a")
    assert called


def test_a_receiver_may_be_the_first_to_connect(fresh_connection: Any) -> None:
    """There is no transaction yet that it could end."""
    create = partial(Work.objects.create, name="row")
    with receiving(signals.jti_reserved, create):
        assert replay_cache.reserve("a")
    assert fresh_connection.connection is not None
    assert Work.objects.filter(name="row").exists()


@pytest.mark.parametrize("using", ["default", "postgres"], indirect=True)
def test_without_a_transaction_receivers_are_free(using: str) -> None:
    """They may query and close the connection."""
    database = connections[using]
    database.ensure_connection()
    done = []

    def use() -> None:
        Work.objects.using(using).create(name="row")
        database.close()
        done.append(True)

    with receiving(signals.jti_reserved, use):
        assert replay_cache.reserve("a")
    assert done
    assert Work.objects.using(using).filter(name="row").exists()
