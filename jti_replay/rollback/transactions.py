"""Whether a transaction is open, and whether the decorator is to open one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

NO_DATABASE = "django.db.backends.dummy"
"""The ENGINE that Django uses in a project without a database."""


def is_open(connection: BaseDatabaseWrapper) -> bool:
    """Return whether what is done on the connection now can still be rolled back."""
    if connection.in_atomic_block:
        return not connection.closed_in_transaction
    if connection.connection is None:
        # Do not connect just to hear that it commits by itself.
        return not connection.settings_dict["AUTOCOMMIT"] and not connection.get_autocommit()
    return not connection.autocommit  # In a test that may not query, get_autocommit() fails.


def is_wanted(using: str) -> bool:
    """
    Return whether a view needs a transaction of its own on a database: there is one, and no
    transaction is open on it, other than the one in which Django's TestCase runs a test.
    """
    connection = connections[using]
    if connection.settings_dict["ENGINE"] == NO_DATABASE:
        return False
    if connection.in_atomic_block:
        innermost: Any = connection.atomic_blocks[-1]
        return bool(innermost._from_testcase)
    return not is_open(connection)
