"""Commands as they are sent. redis-py packs those of event loops in Python, hiredis in C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.utils import HIREDIS_AVAILABLE

from .redis_scripts import Command

if HIREDIS_AVAILABLE:
    from hiredis import pack_command


def packed(commands: Sequence[Command], connection: Any) -> Any:
    """Return what a connection of redis-py is to send."""
    if HIREDIS_AVAILABLE:
        return [b"".join([pack_command(command) for command in commands])]
    return connection.pack_commands(commands)
