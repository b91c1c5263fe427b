"""Commits that fail, whose outcome the caller can only know from the database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connections


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
