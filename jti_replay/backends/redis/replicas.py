"""Whether replicas have what was written: then a failover to one of them does not forget it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from .scripts import Command


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
    return ("WAIT", replicas, max(1, round(seconds * 1000)))


def shortage(acks: Sequence[Any], replicas: int) -> Exception | None:
    """Return what is wrong with the replies to :func:`wait_command`, of which there is one."""
    for answer in acks:
        if isinstance(answer, Exception):
            return answer
        if answer < replicas:
            return TooFewReplicas(f"{answer} of {replicas} replicas have the reservation.")
    return None
