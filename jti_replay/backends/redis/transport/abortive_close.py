"""
Close a connection without leaving anything behind in the kernel.

A packet that was lost is sent again by the kernel, even after the socket was closed in the
usual way. When the network is back, Redis would carry out a command long after the call that
sent it has failed. A socket that lingers for 0 seconds drops what it has not delivered.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Any

LINGER_FOR_0_SECONDS = struct.pack("ii", 1, 0)


def reset_when_closed(connected: Any) -> None:
    """
    Let the close of a socket drop what was not delivered, and reset the connection. One that
    is closed already is left alone, as is None: what asyncio has of a socket then.
    """
    with suppress(OSError, AttributeError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_FOR_0_SECONDS)
