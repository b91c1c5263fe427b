"""Reservations that count only once replicas have them: a failover does not forget them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from .scripts import Command

SHORTEST_WAIT = 1
"""Milliseconds. To ``WAIT``, 0 means without end."""


class TooFewReplicas(RedisError):
    """
    Raised when fewer replicas than asked for have acknowledged a reservation in time. It has
    been taken back, as far as the server could be reached, so that the client can retry.
    """


def wait_command(replicas: int, seconds: float) -> Command:
    """
    Return the command that waits for replicas to have what was written before it on its own
    connection. It must go along with what it is about, and stand outside of a transaction.
    """
    return ("WAIT", replicas, max(SHORTEST_WAIT, round(seconds * 1000)))


def missing_replicas(acks: Sequence[Any], replicas: int) -> Exception | None:
    """Return what is wrong with the replies to :func:`wait_command`, of which there is one."""
    for answer in acks:
        if isinstance(answer, Exception):
            return answer
        if answer < replicas:
            return TooFewReplicas(f"{answer} of {replicas} replicas have the reservation.")
    return None
