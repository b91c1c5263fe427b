"""The signal that a transaction has rolled back, and what this app itself does then."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jti_replay.exceptions import CacheError
from jti_replay.reservation import Reservation, dispatch
from jti_replay.reservation.dispatch import was_interrupted
from jti_replay.signals import transaction_rolled_back

from .query_block import queries_blocked

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def send_rolled_back(
    connection: BaseDatabaseWrapper, reservations: tuple[Reservation, ...], *, savepoint: bool
) -> None:
    """Tell that the work of some reservations has been rolled back."""
    with queries_blocked(connection):
        responses = dispatch.send(
            transaction_rolled_back,
            sender=type(connection),
            using=connection.alias,
            reservations=reservations,
            savepoint=savepoint,
        )
    if was_interrupted(release_rolled_back, responses):
        release_all(connection, reservations)


def release_all(connection: BaseDatabaseWrapper, reservations: Iterable[Reservation]) -> None:
    """Release what the work of a transaction or a savepoint that rolled back had paid with."""
    with queries_blocked(connection):
        release_rolled_back(reservations=reservations)


def release_rolled_back(*, reservations: Iterable[Reservation], **kwargs: Any) -> None:
    """Release what the work that was rolled back had paid with."""
    for reservation in reservations:
        # The failure is logged and signalled where it happens. This jti stays reserved until
        # it expires; the others must not suffer for it.
        with suppress(CacheError):
            reservation.release()
