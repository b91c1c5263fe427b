"""The way into the site over HTTP."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urlencode

from . import worker_notes
from .shared_state import UNANSWERED
from .transport import BITS, Answer, Reply, judged

WAIT = 10.0
"""Seconds after which a client gives a request up."""


class HTTPTransport:
    """Over a connection that is kept alive."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)

    def send(self, token: str, *, fail: bool) -> Reply:
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode({"fail": int(fail)})
        fresh = self._connection.sock is None
        try:
            if fresh:
                self._connection.connect()
                # Or else the headers and the body would wait for each other (40 ms).
                self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection.request("POST", "/exchange", body, headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return Reply(Answer.FAILED, UNANSWERED)
        bits = BITS[response.getheader(worker_notes.HEADER, "")]
        return Reply(judged(response.status, content), bits, response.status == 503)
