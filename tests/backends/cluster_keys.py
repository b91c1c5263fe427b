"""The keys of entries in a Redis Cluster."""

from __future__ import annotations

import itertools

from jti_replay.reservation.digests import jti_digest


def key_of(jti: str) -> bytes:
    digest = jti_digest("", jti)
    return b"jti:{%02x}" % digest[0] + digest


def alike(number: int) -> list[str]:
    """Return jtis that lie in one slot."""
    first = jti_digest("", "0")[0]
    names = (f"{name}" for name in itertools.count())
    return list(itertools.islice((n for n in names if jti_digest("", n)[0] == first), number))
