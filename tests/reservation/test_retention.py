"""How long a jti is remembered."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jti_replay.reservation.retention import retention_deadline, to_datetime

NOW = 1_700_000_000.0
EARLIEST, LATEST = -62_135_596_800, 253_402_300_799

seconds = st.integers(EARLIEST, LATEST) | st.floats(EARLIEST, LATEST + 1, exclude_max=True)
floors = st.floats(NOW, 3 * NOW)
# A float tells these apart by less than a microsecond.
moments = st.datetimes(
    datetime(1930, 1, 1),  # noqa: DTZ001
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from(
        [UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))]
    ),
)


@given(seconds, floors)
def test_it_is_the_later_of_the_floor_and_a_second_after_the_expiry(
    expires_at: float, floor: float
) -> None:
    assert retention_deadline(expires_at, floor) == max(floor, expires_at + 1)


@given(floors)
def test_without_an_expiry_it_is_the_floor(floor: float) -> None:
    assert retention_deadline(None, floor) == floor


@given(moments)
def test_a_datetime_says_the_same_as_its_timestamp(expires_at: datetime) -> None:
    by_datetime = retention_deadline(expires_at, 0)
    by_number = retention_deadline(expires_at.timestamp(), 0)
    assert by_datetime == pytest.approx(by_number, abs=1e-6, rel=0)


@given(moments)
def test_no_microsecond_of_a_datetime_is_lost(expires_at: datetime) -> None:
    forgetting = retention_deadline(expires_at, -1e12)
    assert to_datetime(forgetting) == expires_at + timedelta(seconds=1)


@pytest.mark.parametrize(
    "edge",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))),
        EARLIEST,
        LATEST,
        LATEST + 0.9,
        0,
        -0.0,
    ],
)
def test_whatever_a_datetime_can_hold_is_accepted(edge: datetime | float) -> None:
    forgetting = retention_deadline(edge, NOW + 300)
    assert to_datetime(forgetting) >= to_datetime(NOW + 300)


@pytest.mark.parametrize(
    "beyond",
    [
        LATEST + 1,
        float(LATEST + 1),
        EARLIEST - 1,
        math.nextafter(EARLIEST, -math.inf),
        1e300,
        -1e300,
        10**400,
        -(10**400),
        math.inf,
        -math.inf,
        math.nan,
    ],
)
def test_what_no_datetime_can_hold_is_a_value_error(beyond: float) -> None:
    with pytest.raises(ValueError, match="not a moment"):
        retention_deadline(beyond, NOW + 300)


def test_a_naive_datetime_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="naive"):
        retention_deadline(datetime(2100, 1, 1), NOW + 300)  # noqa: DTZ001


@pytest.mark.parametrize("kind", [int, float])
def test_a_kind_of_number_is_a_number(kind: type[int | float]) -> None:
    seconds: Any = type("Seconds", (kind,), {})
    assert retention_deadline(seconds(NOW + 500), NOW) == NOW + 501
    if kind is float:
        with pytest.raises(ValueError, match="not a moment"):
            retention_deadline(seconds("nan"), NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        True,
        False,
        "1",
        b"1",
        Decimal(1),
        Fraction(1),
        1j,
        date(2100, 1, 1),
        timedelta(1),
        [],
        (),
    ],
)
def test_any_other_type_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match=type(wrong).__name__):
        retention_deadline(wrong, NOW + 300)


@given(seconds)
def test_a_moment_is_in_utc(instant: float) -> None:
    assert to_datetime(instant).utcoffset() == timedelta(0)
    assert to_datetime(instant).timestamp() == pytest.approx(
        min(instant, LATEST), abs=1e-4, rel=0
    )


def test_a_moment_past_the_last_year_is_the_last_one() -> None:
    assert to_datetime(LATEST + 86_400) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
