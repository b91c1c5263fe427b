"""The table of the cache in memory, under digests of the test's choice."""

from __future__ import annotations

from jti_replay.backends.memory.table import MAX_CELLS, RECORDS_PER_CELL, Table

NOW = 1_800_000_000.0


def test_what_only_looks_like_a_digest_is_new() -> None:
    """The end of one record and the beginning of the next are no digest."""
    table = Table(10, NOW)
    expiry = int(NOW) + 60
    assert table.add(0x1122, expiry, NOW)
    assert table.add(0x3344, expiry, NOW)
    between = int.from_bytes(b"\x11\x22" + expiry.to_bytes(4, "big") + b"\0\0", "big")
    assert table._cells[0].find(between.to_bytes(8, "big")) > 0
    assert table.add(between, expiry, NOW)
    assert table.add(between, expiry, NOW) is None
    assert table.count(NOW) == 3


def test_an_expired_record_of_the_same_digest_is_replaced() -> None:
    """One that lies behind a live record is still there when its jti comes again."""
    table = Table(10, NOW)
    assert table.add(1, NOW + 60, NOW)
    first = table.add(2, NOW + 5, NOW)
    second = table.add(2, NOW + 90, NOW + 6)
    assert first
    assert second
    assert len(table._cells[0]) == 2 * len(first[0])
    assert not table.remove(2, first[0], NOW + 6)
    assert table.remove(2, second[0], NOW + 6)
    assert table.count(NOW + 6) == 1


def test_an_owner_is_told_from_the_next_one_of_the_same_second() -> None:
    """A release by name, and the jti is another one's with the same expiry."""
    table = Table(10, NOW)
    first = table.add(1, NOW + 60, NOW)
    assert first
    assert table.remove(1, None, NOW)
    second = table.add(1, NOW + 60, NOW)
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
