"""The table of the cache in memory, under digests of the test's choice."""

from __future__ import annotations

import math

import pytest

from jti_replay.backends.memory.table import MAX_CELLS, RECORDS_PER_CELL, SPAN, Table
from jti_replay.reservation.retention import EARLIEST, LATEST

NOW = 1_800_000_000


def test_what_only_looks_like_a_digest_is_new() -> None:
    """The end of one record and the beginning of the next are no digest."""
    table = Table(10, NOW)
    expiry = int(NOW) + 60
    assert table.add(0x1122, expiry, NOW, 0)
    assert table.add(0x3344, expiry, NOW, 0)
    between = int.from_bytes(b"\x11\x22" + expiry.to_bytes(4, "big") + b"\0\0", "big")
    assert table._cells[0].find(between.to_bytes(8, "big")) > 0
    assert table.add(between, expiry, NOW, 0)
    assert table.add(between, expiry, NOW, 0) is None
    assert table.count(NOW) == 3


def test_an_expired_record_of_the_same_digest_is_replaced() -> None:
    """One that lies behind a live record is still there when its jti comes again."""
    table = Table(10, NOW)
    assert table.add(1, NOW + 60, NOW, 0)
    first = table.add(2, NOW + 5, NOW, 0)
    second = table.add(2, NOW + 90, NOW + 6, 0)
    assert first
    assert second
    assert len(table._cells[0]) == 2 * len(first[0])
    assert not table.remove(2, first[0], NOW + 6)
    assert table.remove(2, second[0], NOW + 6)
    assert table.count(NOW + 6) == 1


def test_an_owner_is_told_from_the_next_one_of_the_same_second() -> None:
    """A release by name, and the jti is another one's with the same expiry."""
    table = Table(10, NOW)
    first = table.add(1, NOW + 60, NOW, 0)
    assert first
    assert table.remove(1, None, NOW)
    second = table.add(1, NOW + 60, NOW, 0)
    assert second
    assert first != second
    assert not table.remove(1, first[0], NOW)
    assert table.remove(1, second[0], NOW)


def test_cells_are_few_enough_to_be_full_and_many_enough_to_be_small() -> None:
    """Their number is a power of two, so that a mask picks one."""
    for capacity in (1, RECORDS_PER_CELL, 1000, 1_000_000):
        number = len(Table(capacity, NOW)._cells)
        assert number & (number - 1) == 0
        assert capacity / number < 2 * RECORDS_PER_CELL
        assert number == 1 or capacity / number >= RECORDS_PER_CELL
    assert len(Table(10**9, NOW)._cells) == MAX_CELLS


LIFETIMES = (1, 60, SPAN - 1, SPAN, SPAN + 1, 2 * SPAN - 1, 2 * SPAN, 2 * SPAN + 1, 9 * SPAN)
STEPS = (0.5, 1, 59, SPAN - 60, 1, 1, SPAN, SPAN + 1, 1, 3 * SPAN, 0.5, 9 * SPAN)


def test_entries_are_counted_however_far_ahead_their_seconds_are() -> None:
    """The nearer seconds are counted in a list, which moves on with the time."""
    table = Table(1000, NOW)
    now: float = NOW
    held: dict[int, tuple[bytes, int]] = {}
    for step in STEPS * 2:
        for lifetime in LIFETIMES:
            for _ in range(2):
                digest = len(held)
                added = table.add(digest, math.ceil(now) + lifetime, now, 0)
                assert added
                held[digest] = added
        now += step
        # The last one of each two is released.
        for digest in range(1, len(held), 2):
            record, end = held[digest]
            assert table.remove(digest, record, now) is (end > now)
            held[digest] = record, 0
        assert table.count(now) == sum(end > now for _, end in held.values())
    assert table.count(now + 10 * SPAN) == 0


def test_entries_are_counted_by_a_clock_that_is_set_back() -> None:
    table = Table(1000, NOW)
    for number, lifetime in enumerate(LIFETIMES[1:]):
        assert table.add(number, NOW + lifetime, NOW, 0)
    before = NOW - 2 * SPAN
    assert table.count(before) == len(LIFETIMES) - 1
    assert table.add(100, NOW - 1, before, 0)
    assert table.remove(1, None, before)
    assert table.count(NOW - 2) == len(LIFETIMES) - 1
    assert table.count(NOW) == len(LIFETIMES) - 2
    assert table.add(101, NOW + 5, NOW, 0)
    assert table.count(NOW + SPAN) == sum(lifetime > SPAN for lifetime in LIFETIMES)
    assert table.count(NOW + 9 * SPAN) == 0


def test_a_clock_that_was_read_a_moment_ago_changes_nothing() -> None:
    """A thread may wait for the lock while another one passes into the next second."""
    table = Table(10, NOW)
    assert table.add(1, NOW + 60, NOW, 0)
    assert table.add(2, NOW + 5, NOW, 0)
    assert table.count(NOW + 5) == 1
    assert table.count(NOW + 4.9) == 1
    assert table.add(3, NOW + 6, NOW + 4.9, 0)
    assert not table._later  # Nothing was counted anew.
    assert table.count(NOW + 6) == 1
    assert table.count(NOW + 60) == 0


def test_an_entry_lives_for_the_ttl_at_least() -> None:
    table = Table(10, NOW, 60)
    for number, (expiry, ttl, end) in enumerate(
        [(60, 60, 60), (61, 60, 61), (59, 60, 60), (-5, 60, 60), (5, 0, 5), (5, 7.5, 8)]
    ):
        added = table.add(number, NOW + expiry, NOW, ttl)
        assert added
        assert added[1] == NOW + end


@pytest.mark.parametrize("expiry", [EARLIEST - 1, LATEST + 1, -(10**30), 10**30])
def test_an_expiry_that_no_datetime_can_hold_is_an_error(expiry: int) -> None:
    table = Table(10, NOW)
    with pytest.raises(OverflowError):
        table.add(1, expiry, NOW, 0)
    assert table.count(NOW) == 0
