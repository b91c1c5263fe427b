"""The records of the cache in memory, packed into bytes."""

from __future__ import annotations

from jti_replay.backends.memory import records
from jti_replay.backends.memory.records import DIGEST_OFFSET, LARGE_CELL, RECORD_SIZE

LIVE = records.first_live(20)


def record(expiry: int, digest: int) -> bytes:
    return records.pack(expiry, records.first_serial(), digest)


def test_what_looks_like_a_digest_between_two_records_is_passed_over() -> None:
    """A digest is found only where a record has its digest."""
    wanted = record(30, 0x1111)[DIGEST_OFFSET:]
    before, after = record(30, 0x220000000000), record(0x11112222, 0x3333)
    cell = before + after
    cell = cell[: RECORD_SIZE - 2] + wanted + cell[RECORD_SIZE + 6 :]
    assert wanted in cell
    assert records.find(cell, wanted) == -1
    assert records.find(cell + record(30, 0x1111), wanted) == 2 * RECORD_SIZE


def test_records_compare_as_their_expiries_do() -> None:
    """A record is live if it is greater than all of the seconds that have passed."""
    assert record(20, -1) < LIVE <= record(21, 0)
    assert records.expiry_of(record(21, -1)) == 21


def test_up_to_two_of_the_oldest_go_if_they_have_expired() -> None:
    """A cell shrinks when there is less to remember."""
    a, b, c, d = (record(expiry, expiry) for expiry in (10, 11, 20, 21))
    assert records.cleared(a + b + c + d, LIVE) == c + d
    assert records.cleared(a + d + b, LIVE) == d + b
    assert records.cleared(d + a + b, LIVE) == d + a + b
    assert records.cleared(a, LIVE) == b""


def test_the_others_go_when_the_cell_is_large_and_twice_as_large() -> None:
    """A cell whose oldest record lives long does not grow without end."""
    most = LARGE_CELL // RECORD_SIZE
    live, expired = record(99, 1), record(20, 2)
    for times, left in ((1, 1), (2, 1), (3, 3 * most), (4, 1)):
        cell = live + expired * (times * most - 1)
        found = records.cleared(cell, LIVE)
        assert len(found) == left * RECORD_SIZE
        assert found.startswith(live)
    cell = live + expired * most
    assert records.cleared(cell, LIVE) == cell


def test_serials_begin_again_after_the_last_one() -> None:
    """A serial number tells a record from those that a release has removed."""
    first = records.first_serial()
    assert records.next_serial(first) != first
    assert records.next_serial(b"\xff" * len(first)) == first
