"""Bind a reservation to the open transaction, for projects that do so by hand."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connections

from jti_replay.reservation import Reservation

from .ledger import Ledger
from .transactions import is_open


def release_on_rollback(reservation: Reservation, using: str = DEFAULT_DB_ALIAS) -> bool:
    """
    Release a reservation if the open transaction on a database rolls back.

    Returns False if no transaction is open; the reservation is then kept until it expires.
    In an async view, call it inside the sync function that opens the transaction.

    If several databases are bound, all of them must roll back. When
    :data:`~jti_replay.signals.transaction_rolled_back` is sent, the release follows.

    The first reservation of a transaction marks it on the server, which takes a round trip on
    PostgreSQL, MySQL and MariaDB. No mark is put on other databases, so that all is kept there.

    Raises :exc:`TypeError` for anything but a reservation, such as the None of a jti that has
    been seen, :exc:`django.utils.connection.ConnectionDoesNotExist` for an unknown alias, and
    :exc:`django.db.Error` if the transaction cannot be marked: the connection is lost, or a
    statement of the transaction has failed.
    """
    if not isinstance(reservation, Reservation):
        raise TypeError(f"reservation must be a Reservation, not {type(reservation).__name__}.")
    connection = connections[using]
    if not is_open(connection):
        return False
    Ledger.of(connection).add(reservation)
    return True
