"""The records of the cache in memory, packed into bytes."""

from __future__ import annotations

from jti_replay.backends.memory import records as cells
from jti_replay.backends.memory.keyed_digest import DIGEST_SIZE, SiphashDigest
from jti_replay.backends.memory.records import RECORD_SIZE


def record(expiry: int, digest: bytes) -> bytes:
    return cells.prefix(expiry, 0) + digest


def test_what_looks_like_a_digest_between_two_records_is_passed_over() -> None:
    digest = b"\0" * 3 + b"d" * (DIGEST_SIZE - 3)
    before = record(10, b"x" * (DIGEST_SIZE - 2) + b"\0" * 2)
    between = before + b"\0" + b"d" * (DIGEST_SIZE - 3) + b"\0" * RECORD_SIZE
    assert digest in between
    cell = between[: 2 * RECORD_SIZE]
    assert cells.find(cell, digest) == -1
    assert cells.find(cell + record(20, digest), digest) == 2 * RECORD_SIZE


def test_up_to_two_of_the_oldest_go_if_they_have_expired() -> None:
    a, b, c, d = (record(expiry, bytes([expiry]) * DIGEST_SIZE) for expiry in (10, 11, 12, 99))
    now = (20).to_bytes(cells.EXPIRY_SIZE, "big")
    assert cells.cleared(a + b + c + d, now, doubled=10**6) == c + d
    assert cells.cleared(a + d + b, now, doubled=10**6) == d + b
    assert cells.cleared(d + a + b, now, doubled=10**6) == d + a + b
    assert cells.cleared(a, now, doubled=10**6) == b""


def test_the_others_go_when_the_cell_has_doubled_and_doubled_again() -> None:
    now = (20).to_bytes(cells.EXPIRY_SIZE, "big")
    live, expired = record(99, b"l" * DIGEST_SIZE), record(10, b"e" * DIGEST_SIZE)
    for records, left in ((3, 3), (4, 1), (5, 5), (8, 1), (12, 12), (16, 1)):
        cell = live + expired * (records - 1)
        found = cells.cleared(cell, now, doubled=4 * RECORD_SIZE)
        assert len(found) == left * RECORD_SIZE
        assert found.startswith(live)


def test_a_single_record_may_be_held_unpacked() -> None:
    keyed = SiphashDigest()
    digest = keyed("issuer", "jti")
    first, second = keyed.prefixes["issuer"]
    prefix = cells.prefix(10, 0)
    cell = cells.packed((prefix, hash(first + "jti"), hash(second + "jti")))
    assert cell == prefix + digest
    assert cells.packed(cell) is cell
