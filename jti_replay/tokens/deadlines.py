"""
Connections that keep one deadline, whatever their other end does.

The time limit of a socket is one for each of its calls, so that a server which sends a byte
now and then would hold a thread for ever. Here each call that waits for the server gets what
is left of the deadline. A request is small, and does not wait to be sent.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any


class Deadline:
    """The moment by which all has to be done, so many ``seconds`` from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left. Raises :exc:`TimeoutError` if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def connect(deadline: Deadline, address: tuple[str, int], *_: Any) -> socket.socket:
    """
    Return a socket that is connected to a host and port, and keeps the deadline.

    It takes the place of :func:`socket.create_connection`. Of several addresses each gets an
    equal share of the time, so that a dead one leaves some for the next.
    """
    addresses = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for count, (family, kind, protocol, _name, place) in enumerate(addresses):
        plain = _PlainSocket(family, kind, protocol)
        plain.deadline = deadline
        try:
            plain.settimeout(deadline.left() / (len(addresses) - count))
            plain.connect(place)
        except OSError as error:
            plain.close()
            failure = error
        else:
            return plain
    raise failure or OSError("The host has no address.")


def tls_context(deadline: Deadline, cafile: str | None) -> ssl.SSLContext:
    """
    Return the settings of TLS connections that keep the deadline.

    ``cafile`` is the path of the certificates that are trusted in place of the system's.
    """

    class TLSSocket(ssl.SSLSocket):
        def do_handshake(self, *args: Any, **kwargs: Any) -> None:
            self.settimeout(deadline.left())
            super().do_handshake(*args, **kwargs)

        def recv_into(self, *args: Any, **kwargs: Any) -> int:
            self.settimeout(deadline.left())
            return super().recv_into(*args, **kwargs)

    context = ssl.create_default_context(cafile=cafile)
    context.sslsocket_class = TLSSocket
    return context


class _PlainSocket(socket.socket):
    deadline: Deadline

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(*args, **kwargs)
