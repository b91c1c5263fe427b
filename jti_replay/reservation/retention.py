"""How long a jti is remembered, and which expiry times are accepted."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = (datetime.min.replace(tzinfo=UTC) - EPOCH).total_seconds()
LATEST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1)

END = float(LATEST + 1)
"""The moment after the last one that a datetime can hold."""

GRACE = 1.0
"""Seconds for which a jti is kept beyond the last moment at which its token is accepted."""


def retention_deadline(expires_at: datetime | int | float | None, floor: float) -> float:
    """
    Return the earliest moment, in seconds since 1970, at which a jti may be forgotten:
    the later of ``floor`` and ``expires_at`` + :data:`GRACE`.

    ``expires_at`` is an aware datetime, a NumericDate (RFC 7519 2) or None. Raises
    :exc:`TypeError` for any other type (a bool too), and :exc:`ValueError` for a naive
    datetime, NaN, an infinity, or a moment that a datetime cannot hold.
    """
    if isinstance(expires_at, int) and floor < expires_at < LATEST:
        return expires_at + GRACE  # By far the most common case.
    if expires_at is None:
        return floor
    return max(floor, seconds_since_1970("expires_at", expires_at) + GRACE)


def seconds_since_1970(name: str, value: datetime | float) -> float:
    """
    Return an aware datetime or a NumericDate (RFC 7519 2) as seconds since 1970.

    Raises as :func:`retention_deadline` does; ``name`` is that of the argument.
    """
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(f"{name} is a naive datetime: give it a time zone.")
        return max(EARLIEST, min((value - EPOCH).total_seconds(), LATEST))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"{name} must be an aware datetime, a number of seconds since 1970 or None, "
            f"not {type(value).__name__}."
        )
    # A NaN compares false with everything, so it is refused here too.
    if not EARLIEST <= value < END:
        raise ValueError(f"{name} is not a moment that a datetime can hold.")
    return value


def to_datetime(seconds: float) -> datetime:
    """Return seconds since 1970 as an aware datetime, or the last one that there is."""
    # The seconds that a store adds can lead past year 9999, which no datetime can say.
    return EPOCH + timedelta(seconds=min(seconds, LATEST))
