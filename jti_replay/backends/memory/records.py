"""
Records of a fixed size, packed one after the other into a bytes object, a cell.

A record is the second of its expiry, a serial number and the digest of a jti, all big-endian,
so that records compare as their expiries do.
"""

from __future__ import annotations

import struct

from .keyed_digest import DIGEST_SIZE

EXPIRY_SIZE = 4
SERIAL_SIZE = 3
DIGEST_OFFSET = EXPIRY_SIZE + SERIAL_SIZE
RECORD_SIZE = DIGEST_OFFSET + DIGEST_SIZE
"""Bytes in a record. With the head of a bytes object, 15 of them fill what is allocated."""

LAST_EXPIRY = (1 << 8 * EXPIRY_SIZE) - 1
"""The last second of expiry that a record can hold, in 2106."""

LARGE_CELL = 32 * RECORD_SIZE
"""Bytes in a cell that holds clearly more than others."""

pack = struct.Struct(">I3sq").pack
"""Return the record of an expiry, a serial and a digest."""


def first_serial() -> bytes:
    """Return the serial that a table begins with."""
    return bytes(SERIAL_SIZE)


def next_serial(serial: bytes) -> bytes:
    """Return the serial that follows, after a long time the first one again."""
    number = int.from_bytes(serial, "big") + 1
    return (number % (1 << 8 * SERIAL_SIZE)).to_bytes(SERIAL_SIZE, "big")


def first_live(second: int) -> bytes:
    """Return what is greater than a record that expires in a second, or before it."""
    return (second + 1).to_bytes(EXPIRY_SIZE, "big")


def expiry_of(record: bytes) -> int:
    """Return the second in which a record expires."""
    return int.from_bytes(record[:EXPIRY_SIZE], "big")


def find(cell: bytes, digest: bytes) -> int:
    """Return where the record of a digest begins, or -1."""
    at = cell.find(digest)
    # The end of one record and the beginning of the next may look like the digest.
    while at >= 0 and (at - DIGEST_OFFSET) % RECORD_SIZE:
        at = cell.find(digest, at + 1)
    return at - DIGEST_OFFSET if at >= 0 else -1


def without(cell: bytes, at: int) -> bytes:
    """Return a cell without the record that begins at a place."""
    return cell[:at] + cell[at + RECORD_SIZE :]


def cleared(cell: bytes, live: bytes) -> bytes:
    """
    Return a cell without some of its expired records, which are less than ``live``.

    If the oldest record is one of them, up to two go, so that a cell shrinks when there is
    less to remember. All of them go once a cell has grown large, and twice as large, and so
    on.
    """
    if cell < live:
        return cell[2 * RECORD_SIZE if cell[RECORD_SIZE:] < live else RECORD_SIZE :]
    times, rest = divmod(len(cell), LARGE_CELL)
    if rest or times & (times - 1):
        return cell
    return b"".join(
        cell[at : at + RECORD_SIZE]
        for at in range(0, len(cell), RECORD_SIZE)
        if cell[at : at + RECORD_SIZE] >= live
    )
