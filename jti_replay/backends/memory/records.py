"""
Records of a fixed size, packed one after the other into a bytes object, the cell.

A record is the second of its expiry (big-endian, so that records compare as their expiries
do), a number that tells two records of one digest apart, and the digest. A cell of a single
one may hold it unpacked: what goes before the digest, and the two hashes that make it.
"""

from __future__ import annotations

import struct
from typing import TypeAlias

from .keyed_digest import DIGEST_SIZE, pack

Cell: TypeAlias = bytes | tuple[bytes, int, int]

EXPIRY_SIZE = 5
PREFIX_SIZE = EXPIRY_SIZE + 4
RECORD_SIZE = PREFIX_SIZE + DIGEST_SIZE

_first_hash = struct.Struct("=q4x").unpack


def place(digest: bytes, mask: int) -> int:
    """Return which cell is a digest's. There are ``mask`` + 1, a power of two."""
    first: int = _first_hash(digest)[0]
    return first & mask


def packed(cell: Cell) -> bytes:
    """Return a cell with its records packed."""
    if isinstance(cell, bytes):
        return cell
    prefix, one, two = cell
    return prefix + pack(one, two >> 32)


def prefix(expiry: int, number: int) -> bytes:
    """Return what a record begins with, ahead of its digest."""
    return expiry.to_bytes(EXPIRY_SIZE, "big") + (number & 0xFFFFFFFF).to_bytes(4, "big")


def expiry_of(prefix: bytes) -> int:
    """Return the second in which a record expires that begins so."""
    return int.from_bytes(prefix[:EXPIRY_SIZE], "big")


def find(cell: bytes, digest: bytes) -> int:
    """Return where the record of a digest begins, or -1."""
    at = cell.find(digest)
    # The end of one record and the beginning of the next may look like the digest.
    while at >= 0 and (at - PREFIX_SIZE) % RECORD_SIZE:
        at = cell.find(digest, at + 1)
    return at - PREFIX_SIZE if at >= 0 else -1


def without(cell: bytes, at: int) -> bytes:
    """Return a cell without the record that begins at a place."""
    return cell[:at] + cell[at + RECORD_SIZE :]


def cleared(cell: bytes, now: bytes, *, doubled: int) -> bytes:
    """
    Return a cell without some of the records whose expiry lies before a moment.

    If its oldest record is one of them, up to two go, so that a cell shrinks when there is
    less to remember. The others are looked for once it has grown to ``doubled`` bytes, and to
    twice as many, and so on.
    """
    if cell < now:
        return cell[2 * RECORD_SIZE if cell[RECORD_SIZE:] < now else RECORD_SIZE :]
    if (
        len(cell) >= doubled
        and len(cell) % doubled == 0
        and _is_power_of_two(len(cell) // doubled)
    ):
        return swept(cell, now)
    return cell


def swept(cell: bytes, now: bytes) -> bytes:
    """Return a cell without the records whose expiry lies before a moment."""
    return b"".join(
        cell[at : at + RECORD_SIZE]
        for at in range(0, len(cell), RECORD_SIZE)
        if cell[at : at + EXPIRY_SIZE] >= now
    )


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0
