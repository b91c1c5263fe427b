"""The signal that a transaction has rolled back, and what this app itself does then."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jti_replay.exceptions import CacheError
from jti_replay.reservation import Reservation, dispatch
from jti_replay.signals import transaction_rolled_back

from .query_block import queries_blocked

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def send_rolled_back(
    connection: BaseDatabaseWrapper, reservations: tuple[Reservation, ...], *, savepoint: bool
) -> None:
    """Tell that the work of some reservations has been rolled back."""
    with queries_blocked(connection):
        try:
            dispatch.send(
                transaction_rolled_back,
                sender=type(connection),
                using=connection.alias,
                reservations=reservations,
                savepoint=savepoint,
            )
        except BaseException:
            # A receiver was interrupted, and that of this app may be among those which have
            # not run. To release twice does no harm.
            release_rolled_back(reservations=reservations)
            raise


def release_rolled_back(*, reservations: Iterable[Reservation], **kwargs: Any) -> None:
    """Release what the work that was rolled back had paid with."""
    for reservation in reservations:
        # The failure is logged and signalled where it happens. This jti stays reserved until
        # it expires; the others must not suffer for it.
        with suppress(CacheError):
            reservation.release()
