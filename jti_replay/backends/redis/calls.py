"""Scripts are run in a Redis so that a lost message is made up for, within the time limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import (
    ClusterDownError,
    ConnectionError,
    MovedError,
    NoScriptError,
    RedisError,
    SlotNotCoveredError,
    TimeoutError,
)

from jti_replay.steps import Steps

from .scripts import Command, Script
from .transport.call import Call, NoTimeLeft
from .transport.clients import RedisClients
from .transport.replies import is_from_replica

REPEATED = (
    # The outcome is unknown. To send it once more does no harm: by the owner token the script
    # recognises what the first one did.
    ConnectionError,
    TimeoutError,
    # The map of the cluster is an old one.
    ClusterDownError,
    MovedError,
    SlotNotCoveredError,
)
"""The errors after which a second attempt is made."""


class Scripts:
    """The ways to run a script, as the steps of :mod:`jti_replay.steps`."""

    def __init__(self, clients: RedisClients) -> None:
        self._clients = clients

    def send_once(
        self,
        call: Call,
        script: Script,
        keys: Sequence[bytes],
        arguments: Sequence[Any] = (),
        extra_commands: Sequence[Command] = (),
    ) -> Steps[list[Any]]:
        """
        Run a script, and on the same connection the extra commands. Return their replies.

        Raises what went wrong with the script; an error of an extra command is returned in
        its place.
        """
        commands = [script.by_sha(keys, arguments), *extra_commands]
        replies: list[Any] = yield self._send(call, keys[0], commands)
        if isinstance(replies[0], NoScriptError):  # It was restarted, or never saw the script.
            commands[0] = script.by_source(keys, arguments)
            replies = yield self._send(call, keys[0], commands)
        return _checked(replies[:1]) + replies[1:]

    def send_with_retry(
        self,
        call: Call,
        script: Script,
        keys: Sequence[bytes],
        arguments: Sequence[Any] = (),
        extra_commands: Sequence[Command] = (),
        *,
        repeats_lost: bool = True,
    ) -> Steps[list[Any]]:
        """
        Run a script as :meth:`send_once` does, and once more if the message is lost or the
        server sends it elsewhere.

        Without ``repeats_lost`` it is run once more only if it was certainly not carried out.
        """
        try:
            return (yield from self.send_once(call, script, keys, arguments, extra_commands))
        except RedisError as error:
            if (call.unanswered and not repeats_lost) or not (
                yield from self._can_repeat(call, error)
            ):
                raise
        return (yield from self.send_once(call, script, keys, arguments, extra_commands))

    def send_to_each(
        self, call: Call, script: Script, keys: Sequence[bytes]
    ) -> Steps[list[Any]]:
        """Run a script once for each of many keys. Return the replies in any order."""
        step = (
            self._clients.send_each,
            self._clients.asend_each,
            ([(key, script.by_source([key], [])) for key in keys], call),
        )
        try:
            return _checked((yield step))
        except RedisError as error:
            if not (yield from self._can_repeat(call, error)):
                raise
        return _checked((yield step))

    def _send(self, call: Call, key: bytes, commands: Sequence[Command]) -> Any:
        return self._clients.send, self._clients.asend, (key, commands, call)

    def _can_repeat(self, call: Call, error: RedisError) -> Steps[bool]:
        if isinstance(error, NoTimeLeft):
            return False
        if not isinstance(error, REPEATED) and not is_from_replica(error):
            return False
        can: bool = yield self._clients.recover, self._clients.arecover, (call,)
        return can


def _checked(replies: list[Any]) -> list[Any]:
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
