"""Commands as they are sent. redis-py packs those of event loops in Python, hiredis in C."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from redis.utils import HIREDIS_AVAILABLE

from jti_replay.backends.redis.scripts import Command

hiredis: Any = import_module("hiredis") if HIREDIS_AVAILABLE else None


def packed(commands: Sequence[Command], connection: Any) -> list[bytes]:
    """Return what a connection of redis-py is to send, in one go."""
    if hiredis is None:
        unaided: list[bytes] = connection.pack_commands(commands)
        return unaided
    return [b"".join([hiredis.pack_command(_without_ints(command)) for command in commands])]


def _without_ints(command: Command) -> Command:
    # To write a number hiredis calls what looks for signals, and if the handler of one raises,
    # such as that of a time limit, it does not notice, and the process crashes.
    return tuple([b"%d" % part if type(part) is int else part for part in command])
