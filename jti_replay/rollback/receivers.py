"""What this app itself does when a transaction has rolled back."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from jti_replay.exceptions import CacheError
from jti_replay.reservation import Reservation


def release_rolled_back(*, reservations: Iterable[Reservation], **kwargs: Any) -> None:
    """Release what the work that was rolled back had paid with."""
    for reservation in reservations:
        # The failure is logged and signalled where it happens. This jti stays reserved until
        # it expires; the others must not suffer for it.
        with suppress(CacheError):
            reservation.release()
