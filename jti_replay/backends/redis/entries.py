"""Reserve, release and the start of the memory in a Redis, as steps for threads and loops."""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

from redis.exceptions import RedisError

from jti_replay.backends.handover import Entry
from jti_replay.backends.lost_replies import LostReplies
from jti_replay.exceptions import ColdStart
from jti_replay.steps import Steps

from .calls import Scripts
from .keys import ClusterKeys, Keys
from .lost_replies import release_lost
from .options import RedisOptions
from .replicas import missing_replicas, wait_command
from .scripts import (
    MARK,
    RELEASE,
    RELEASE_ANY,
    RESERVE,
    RESERVE_IF_WARM,
    RESERVED,
    Command,
    Script,
)
from .transport.call import Call
from .transport.clients import RedisClients
from .transport.connector import Connector

OWNER_SIZE = 12
"""Bytes of the random token that tells an entry from every other one."""


class Entries:
    """The entries of one cache, and what is done to them."""

    def __init__(
        self, options: RedisOptions, connector: Connector, clients: RedisClients
    ) -> None:
        self.lost_replies = LostReplies(partial(release_lost, clients, options.timeout))
        self._options = options
        self._connector = connector
        self._scripts = Scripts(clients)

    @cached_property
    def keys(self) -> Keys:
        """The names of what is kept."""
        return (ClusterKeys if self._options.is_cluster else Keys)(self._options.prefix)

    @cached_property
    def _extra_commands(self) -> list[Command]:
        if not self._options.replicas:
            return []
        return [wait_command(self._options.replicas, self._options.replica_timeout)]

    def reserve(
        self, digest: bytes, deadline: float, usable_since: float | None = None
    ) -> Steps[Entry | None]:
        """
        Set the key of a digest unless it is there, in one round trip.

        With ``usable_since``, raise :exc:`~jti_replay.ColdStart` if the key may have been
        lost since that moment (seconds since 1970).
        """
        call, owner = self.new_call(), os.urandom(OWNER_SIZE)
        expiry, milliseconds = _lifetime(deadline)
        script, keys = RESERVE, [self.keys.entry(digest)]
        arguments: list[Any] = [owner, milliseconds]
        if usable_since is not None:
            script = RESERVE_IF_WARM
            keys.append(self.keys.marker(digest))
            arguments.append(round(usable_since * 1000))
        try:
            answer, *acks = yield from self._scripts.send_with_retry(
                call, script, keys, arguments, self._extra_commands
            )
            if answer == RESERVED:
                missing = missing_replicas(acks, self._options.replicas)
                if missing is None:
                    return owner, expiry
                # It stands, and no caller is told of it, until this has an answer.
                call.unanswered += 1
                call.extend(self._connector.wait)
                with suppress(Exception):
                    yield from self._scripts.send_once(call, RELEASE, keys[:1], [owner])
                    call.unanswered -= 1
                raise missing
        except BaseException as error:
            # The server may have carried it out, or may do so yet. No token could be used.
            if call.unanswered or (call.sent and not isinstance(error, RedisError)):
                self.lost_replies.add(keys[0], owner, expiry)
            raise
        if answer < 0 and self._options.is_cluster:
            # Or each of the other shares would have a cold start of its own, at its first use.
            with suppress(Exception):
                yield from self._scripts.send_to_each(call, MARK, self.keys.markers())
        if usable_since is not None and answer:
            # The moment that a marker holds. One that was just written vouches for nothing.
            raise ColdStart(max(0.0, abs(answer) / 1000 - usable_since))
        return None

    def release(self, digest: bytes, owner: Any) -> Steps[bool]:
        """
        Delete the key of a digest if the owner holds it, in one round trip.

        Without an owner the key is deleted whichever reservation holds it. That is sent only
        once, on a new connection: a second one could free a reservation that was made after
        the first, and a connection that stands may have been closed by the server.
        """
        call, keys = self.new_call(), [self.keys.entry(digest)]
        if owner is None:
            call.use_new_connections()
            steps = self._scripts.send_with_retry(call, RELEASE_ANY, keys, repeats_lost=False)
        else:
            steps = self._scripts.send_with_retry(call, RELEASE, keys, [owner])
        return bool((yield from steps)[0])

    def read_markers(self, script: Script) -> Steps[float | None]:
        """Return the latest moment that a marker holds, None if one has none."""
        answers = yield from self._scripts.send_to_each(
            self.new_call(), script, self.keys.markers()
        )
        return max(map(abs, answers)) / 1000 if all(answers) else None

    def new_call(self) -> Call:
        """Return a call that begins now."""
        return Call(self._connector.time_for_attempts)


def _lifetime(deadline: float) -> tuple[float, int]:
    """
    Return when an entry added now goes, and for how many milliseconds it is to live.

    It is a duration, not a moment, so the server's clock may be wrong. One millisecond more,
    because Redis counts from the start of the current one.
    """
    now = time.time()
    milliseconds = max(0, math.ceil((deadline - now) * 1000)) + 1
    return now + milliseconds / 1000, milliseconds
