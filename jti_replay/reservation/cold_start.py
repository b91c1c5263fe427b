"""
Whether a cache can vouch for a token: a server that lost its memory must refuse what may have
been used before, until that could no longer be accepted anyway (RFC 4120 3.2.3).
"""

from __future__ import annotations

from datetime import datetime

from jti_replay.exceptions import ColdStart

from .retention import EARLIEST, seconds_since_1970

ACCEPT, REFUSE = "accept", "refuse"

CHOICES = (ACCEPT, REFUSE)
"""What ``COLD_START`` of a cache may be."""

WINDOW = 3660.0
"""
Seconds for which a jti of unknown age is refused: what MAX_LIFETIME and LEEWAY, which is
counted at both ends, are by default.
"""


def earliest_use(
    issued: float | None, *, now: float, leeway: float, max_lifetime: float
) -> float:
    """
    Return the earliest moment at which a token could have been used, in seconds since 1970.

    That is when it was ``issued``, on a clock that is late by the leeway. None: it may be as
    old as any that is accepted ``now`` (all in seconds; RFC 7519 4.1). The moment is one that
    a datetime can hold.
    """
    if issued is None:
        issued = now - max_lifetime - leeway
    # An nbf of the year 1 is what .NET writes for a time that was never set.
    return max(EARLIEST, float(issued - leeway))


def first_use(usable_since: datetime | float | None, now: float) -> float:
    """
    Return what a caller of ``reserve()`` says of the age of a token, in seconds since 1970.

    Raises :exc:`TypeError` or :exc:`ValueError` for what is no time.
    """
    if usable_since is None:
        return now - WINDOW
    return seconds_since_1970("usable_since", usable_since)


def refuse_cold_start(complete_since: float | None, usable_since: float) -> None:
    """
    Raise :exc:`~jti_replay.ColdStart` if a token could have been used before the moment from
    which a memory is complete (both in seconds since 1970). None means that it is not known.
    """
    if complete_since is None:
        raise ColdStart(WINDOW)
    if usable_since < complete_since:
        raise ColdStart(complete_since - usable_since)
