"""
What we rely on in Django without its documentation promising it.

When one of these fails after an upgrade, it names what Django has changed. Then read
jti_replay/rollback and jti_replay/reservation/shield.py again.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, Error, InterfaceError, connections, transaction
from django.test import TestCase

from jti_replay.rollback import ledger, transaction_marks
from jti_replay.rollback.transaction_marks import PostgreSQLMark

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def connection(using: str) -> Any:
    connections[using].ensure_connection()
    return connections[using]


def test_in_atomic_block(connection: Any) -> None:
    assert connection.in_atomic_block is False
    with transaction.atomic(connection.alias):
        assert connection.in_atomic_block is True
    assert connection.in_atomic_block is False


def test_in_atomic_block_is_unset_before_the_outermost_commit_and_rollback(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for name in ("_commit", "_rollback"):
        original = getattr(connection, name)

        def ending(name: str = name, original: Any = original) -> None:
            seen.append((name, connection.in_atomic_block, connection.autocommit))
            original()

        monkeypatch.setattr(connection, name, ending)
    for fails in (False, True):
        with transaction.atomic(connection.alias):
            transaction.set_rollback(fails, using=connection.alias)
    assert seen == [("_commit", False, False), ("_rollback", False, False)]


def test_atomic_blocks_and_from_testcase(connection: Any) -> None:
    assert connection.atomic_blocks == []
    with transaction.atomic(connection.alias):
        assert [block._from_testcase for block in connection.atomic_blocks] == [False]

    class Inner(TestCase):
        databases = frozenset({connection.alias})

    Inner.setUpClass()
    try:
        assert [block._from_testcase for block in connection.atomic_blocks] == [True]
    finally:
        Inner.tearDownClass()
        Inner.doClassCleanups()


def test_closed_in_transaction(postgres: str) -> None:
    for alias in ("default", postgres):
        connection = connections[alias]
        connection.ensure_connection()
        assert connection.closed_in_transaction is False
        with transaction.atomic(alias):
            connection.close()
            assert connection.closed_in_transaction is True
            assert connection.in_atomic_block is True
        assert connection.connection is None


def test_connection_is_none_once_closed(postgres: str) -> None:
    for alias in ("default", postgres):
        connections[alias].ensure_connection()
        assert connections[alias].connection is not None
        connections[alias].close()
        assert connections[alias].connection is None


def test_an_in_memory_database_does_not_close(transactional_db: None) -> None:
    connections["memory"].ensure_connection()
    connections["memory"].close()
    assert connections["memory"].connection is not None


def test_commit_on_exit_and_needs_rollback(connection: Any) -> None:
    with transaction.atomic(connection.alias):
        assert connection.commit_on_exit is True
        assert connection.needs_rollback is False
        transaction.set_rollback(True, using=connection.alias)
        assert connection.needs_rollback is True


def test_get_autocommit(connection: Any) -> None:
    assert connection.get_autocommit() is True
    with transaction.atomic(connection.alias):
        assert connection.get_autocommit() is False


def test_settings_dict(connection: Any) -> None:
    assert connection.settings_dict["AUTOCOMMIT"] is True
    assert connection.settings_dict["ATOMIC_REQUESTS"] is False
    assert connection.settings_dict["ENGINE"].startswith("django.db.backends.")


def test_alias(using: str) -> None:
    assert connections[using].alias == using


def test_vendor(postgres: str) -> None:
    vendors = {alias: connections[alias].vendor for alias in connections}
    assert vendors == {"default": "sqlite", "memory": "sqlite", "postgres": "postgresql"}


def test_savepoint_allowed(connection: Any) -> None:
    assert connection.features.uses_savepoints is True
    assert connection._savepoint_allowed() is False
    with transaction.atomic(connection.alias):
        assert connection._savepoint_allowed() is True


def test_format_of_savepoint_names(connection: Any) -> None:
    with transaction.atomic(connection.alias):
        assert ledger.DJANGO_SAVEPOINT.fullmatch(connection.savepoint())


def test_savepoint_ids_may_hold_none(connection: Any) -> None:
    alias = connection.alias
    with transaction.atomic(alias), transaction.atomic(alias, savepoint=False):
        assert connection.savepoint_ids == [None]


def test_every_end_goes_through_the_public_methods_of_the_connection(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    for name in ("commit", "rollback", "savepoint", "savepoint_rollback", "set_autocommit"):
        original = getattr(connection, name)

        def method(*args: Any, name: str = name, original: Any = original, **kw: Any) -> Any:
            called.append(name)
            return original(*args, **kw)

        monkeypatch.setattr(connection, name, method)
    alias = connection.alias
    with transaction.atomic(alias), transaction.atomic(alias):
        transaction.set_rollback(True, using=alias)
    assert called == [
        *("set_autocommit", "savepoint", "savepoint_rollback"),
        *("commit", "set_autocommit"),
    ]
    called.clear()
    with transaction.atomic(alias):
        transaction.set_rollback(True, using=alias)
    assert called == ["set_autocommit", "rollback", "set_autocommit"]


def test_a_failed_commit_is_followed_by_rollback_and_that_one_by_close(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []

    def failing(name: str) -> Any:
        def method() -> None:
            called.append(name)
            raise DatabaseError

        return method

    for name in ("commit", "rollback"):
        monkeypatch.setattr(connection, name, failing(name))
    close = connection.close

    def closing() -> None:
        called.append("close")
        monkeypatch.undo()
        connection.rollback()
        close()

    monkeypatch.setattr(connection, "close", closing)
    with pytest.raises(DatabaseError), transaction.atomic(connection.alias):
        pass
    assert called == ["commit", "rollback", "close"]


def test_on_commit_callbacks_run_after_commit_when_autocommit_is_restored(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    for name in ("commit", "set_autocommit"):
        original = getattr(connection, name)

        def method(*args: Any, name: str = name, original: Any = original, **kw: Any) -> Any:
            called.append(name)
            original(*args, **kw)
            called.append(f"{name} has returned")

        monkeypatch.setattr(connection, name, method)
    with transaction.atomic(connection.alias):
        called.clear()
        transaction.on_commit(lambda: called.append("callback"), using=connection.alias)
    assert called == [
        *("commit", "commit has returned"),
        *("set_autocommit", "callback", "set_autocommit has returned"),
    ]


def test_execute_wrapper(connection: Any) -> None:
    def wrapper(execute: Any, *args: Any) -> Any:
        called.append(args[0])
        return execute(*args)

    called: list[str] = []
    with connection.execute_wrapper(wrapper):
        connection.cursor().execute("SELECT 1")
    connection.cursor().execute("SELECT 2")
    assert called == ["SELECT 1"]


def test_errors() -> None:
    assert issubclass(transaction.TransactionManagementError, DatabaseError)
    assert issubclass(DatabaseError, Error)
    assert issubclass(InterfaceError, Error)
    assert not issubclass(InterfaceError, DatabaseError)


def test_transaction_status_of_psycopg(postgres: str) -> None:
    connection = connections[postgres]
    with transaction.atomic(postgres):
        assert connection.connection.info.transaction_status not in transaction_marks.DOOMED
        with pytest.raises(DatabaseError):
            connection.cursor().execute("SELECT 1 FROM no_such_table")
        assert connection.connection.info.transaction_status == 3
    driver = connection.connection
    connection.close()
    assert driver.info.transaction_status == 4


def test_atomic_blocks(connection: Any) -> None:
    """The blocks that are open, outermost first."""
    assert connection.atomic_blocks == []
    with transaction.atomic(connection.alias), transaction.atomic(connection.alias):
        assert len(connection.atomic_blocks) == 2
    assert connection.atomic_blocks == []


def test_rollback_exc(connection: Any) -> None:
    """The error that marked the transaction for rollback."""
    with transaction.atomic(connection.alias):
        error = DatabaseError()
        marked = transaction.mark_for_rollback_on_error(connection.alias)
        with pytest.raises(DatabaseError), marked:
            raise error
        assert (connection.needs_rollback, connection.rollback_exc) == (True, error)
    connection.rollback_exc = None


def test_execute_wrappers(connection: Any) -> None:
    """The first wrapper of the list is the outermost, and a block takes the last one off."""
    order = []

    def wrapper(name: str) -> Any:
        def wrap(execute: Any, *args: Any) -> Any:
            order.append(name)
            return execute(*args)

        return wrap

    with connection.execute_wrapper(wrapper("inner")):
        connection.execute_wrappers.insert(0, wrapper("outer"))
        connection.cursor().execute("SELECT 1")
    assert order == ["outer", "inner"]
    assert len(connection.execute_wrappers) == 1
    connection.execute_wrappers.clear()


def test_savepoint_sql(connection: Any) -> None:
    """The statements of savepoints, which run on a cursor of the driver."""
    with transaction.atomic(connection.alias), connection.wrap_database_errors:
        for sql in ("create", "rollback", "commit"):
            statement = getattr(connection.ops, f"savepoint_{sql}_sql")("mine")
            connection.connection.cursor().execute(statement)


def test_is_in_memory_db(transactional_db: None) -> None:
    """Whether close() of SQLite does nothing."""
    databases: Any = connections
    assert databases["memory"].is_in_memory_db()
    assert not databases["default"].is_in_memory_db()


def test_reported_settings(postgres: str) -> None:
    """PostgreSQL reports to the driver a setting that a transaction has for itself."""
    connections[postgres].ensure_connection()
    database: Any = connections[postgres]
    with transaction.atomic(postgres):
        mark = PostgreSQLMark(database)
        assert not mark.is_there()
        mark.put()
        assert mark.is_there()
    assert not mark.is_there()
