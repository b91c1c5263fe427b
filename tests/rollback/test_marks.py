"""The marks by which a transaction is known, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections, transaction

from jti_replay import release_on_rollback, replay_cache
from tests.models import Work
from tests.rollback.blocks import failing_block

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def statements(transactional_db: None) -> Iterator[list[str]]:
    """What SQLite carries out on a connection that has held a reservation before."""
    carried_out: list[str] = []
    with failing_block("default"):
        assert release_on_rollback(replay_cache.reserve("of before"))
    driver = connections["default"].connection
    driver.set_trace_callback(carried_out.append)
    yield carried_out
    driver.set_trace_callback(None)


def test_a_commit_costs_no_other_statement(statements: list[str]) -> None:
    """A mark is looked for only where a rollback is to be believed."""
    with transaction.atomic():
        assert release_on_rollback(replay_cache.reserve("a"))
        statements.clear()
    assert statements == ["COMMIT"]


@pytest.mark.parametrize("is_bound", [False, True])
def test_an_inner_block_costs_no_other_statement(statements: list[str], is_bound: bool) -> None:
    """The mark is put again only after a savepoint that is older."""
    with transaction.atomic():
        if is_bound:
            assert release_on_rollback(replay_cache.reserve("a"))
        with transaction.atomic():
            statements.clear()
        (statement,) = statements
    assert statement.startswith("RELEASE")


@pytest.mark.parametrize("default", ["on", "off"])
@pytest.mark.parametrize("is_committed", [False, True], ids=["rolled back", "hidden COMMIT"])
def test_sessions_are_watched_whatever_their_default(
    postgres: str, default: str, is_committed: bool
) -> None:
    """The mark is a change of a setting, also where a session has set it before."""
    connection = connections[postgres]
    with connection.cursor() as cursor:
        cursor.execute(f"SET default_transaction_read_only = {default}")
    with failing_block(postgres):
        connection.cursor().execute("SET TRANSACTION READ WRITE")
        assert release_on_rollback(replay_cache.reserve("a"), postgres)
        Work.objects.using(postgres).create(name="work")
        if is_committed:
            connection.cursor().execute("COMMIT")
    connection.close()
    assert Work.objects.using(postgres).exists() is is_committed
    assert (replay_cache.reserve("a") is None) is is_committed


def test_a_driver_may_prepare_every_statement(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mark needs no prepared statement, which holds one command only."""
    connection = connections[postgres]
    connection.close()
    options = connection.settings_dict["OPTIONS"] | {"server_side_binding": True}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    connection.ensure_connection()
    connection.connection.prepare_threshold = 0
    with failing_block(postgres):
        assert release_on_rollback(replay_cache.reserve("a"), postgres)
    connection.close()
    assert replay_cache.reserve("a")
