"""Commits that fail, whose outcome the caller can only know from the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connections

from tests.models import Work


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error, and those in whose wake it came: Django fails to restore autocommit."""
    while error is not None:
        yield error
        error = error.__context__


def lose_the_reply(monkeypatch: pytest.MonkeyPatch, using: str) -> None:
    """Let the next commit succeed, and its connection end before the reply comes."""
    connection = connections[using]
    commit = connection._commit

    def commit_and_lose_the_reply() -> None:
        commit()
        connection.connection.close()
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connection, "_commit", commit_and_lose_the_reply)


def interrupt(
    monkeypatch: pytest.MonkeyPatch, using: str, error: type[BaseException], *, happened: bool
) -> None:
    """Let the next commit raise an error, before or after it has happened."""
    connection = connections[using]
    commit = connection._commit

    def interrupted_commit() -> None:
        if happened:
            commit()
        raise error

    monkeypatch.setattr(connection, "_commit", interrupted_commit)


def conflict(using: str, other_session: Any) -> None:
    """Let two serializable transactions count what the other one adds. The other one wins."""
    begin = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"
    count = f"SELECT count(*) FROM {Work._meta.db_table}"
    insert = f"INSERT INTO {Work._meta.db_table} (name) VALUES (%s)"
    mine, others = connections[using].cursor(), other_session.cursor()
    others.execute("BEGIN")
    for cursor in (mine, others):
        cursor.execute(begin)
        cursor.execute(count)
    mine.execute(insert, ["work"])
    others.execute(insert, ["other work"])
    others.execute("COMMIT")


@contextmanager
def serializable(using: str) -> Iterator[None]:
    """Let the transactions of a connection be serializable from the start."""
    with connections[using].cursor() as cursor:
        cursor.execute("SET default_transaction_isolation = 'serializable'")
    try:
        yield
    finally:
        connections[using].close()
