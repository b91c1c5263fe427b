"""A connection whose transaction has just ended refuses the queries of receivers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from django.db.transaction import TransactionManagementError

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

FLAGS = ("in_atomic_block", "commit_on_exit")
"""What an ``atomic()`` block leaves changed when its query is refused."""


@contextmanager
def queries_blocked(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """
    Refuse queries on a connection, and leave Django's view of it as it was.

    Autocommit is not restored yet. A query would open a transaction that Django does not know
    of, and its next step would fail.
    """
    flags = {name: getattr(connection, name) for name in FLAGS}
    try:
        with connection.execute_wrapper(_refuse_query):
            yield
    finally:
        for name, value in flags.items():
            setattr(connection, name, value)


def is_blocked(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the connection refuses queries at present."""
    return _refuse_query in connection.execute_wrappers


def _refuse_query(*args: object) -> NoReturn:
    raise TransactionManagementError(
        "A receiver of transaction_rolled_back must not query the connection whose "
        "transaction has just ended."
    )
