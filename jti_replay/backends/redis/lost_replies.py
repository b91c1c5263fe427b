"""The release of reservations whose reply was lost."""

from __future__ import annotations

from collections.abc import Sequence

from jti_replay.backends.lost_replies import LostReply

from .scripts import RELEASE
from .transport.call import Call
from .transport.clients import RedisClients


def release_lost(clients: RedisClients, wait: float, batch: Sequence[LostReply]) -> None:
    """
    Release a batch in one round trip for each server. Raise what a server answers to one.

    ``wait`` (seconds) is how long it may take.
    """
    commands = [(lost.key, RELEASE.by_source([lost.key], [lost.owner])) for lost in batch]
    for reply in clients.send_each(commands, Call(wait)):
        if isinstance(reply, Exception):
            raise reply
