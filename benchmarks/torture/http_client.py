"""The way into the site over HTTP."""

from __future__ import annotations

import http.client
import random
import socket
import time

from . import setups, worker_notes
from .shared_state import UNANSWERED, WENT_AWAY
from .transport import BITS, WAIT, Answer, Asked, Reply, judged

PATHS = {"": "/exchange", setups.CLIENTS_GO_AWAY: "/misbehaving/aexchange"}
"""The URL of a site by its fault. The others are asked for ``/misbehaving/exchange``."""

LONGEST_VISIT = 0.03
"""Seconds after which a client that goes away is gone."""


class HTTPTransport:
    """Over a connection that is kept alive."""

    def __init__(self, port: int, fault: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
        misbehaves = fault in setups.REQUEST_FAULTS
        self._path = PATHS.get(fault if misbehaves else "", "/misbehaving/exchange")
        self._goes_away = fault == setups.CLIENTS_GO_AWAY

    def send(self, token: str, asked: Asked) -> Reply:
        begun = time.monotonic()
        try:
            self._request(token, asked)
            if asked.misbehave and self._goes_away:
                time.sleep(random.uniform(0, LONGEST_VISIT))
                self._connection.close()
                return Reply(Answer.FAILED, WENT_AWAY, misbehaved=True)
            self._acknowledge_at_once()
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return Reply(Answer.FAILED, UNANSWERED, hung=time.monotonic() - begun >= WAIT)
        return Reply(
            judged(response.status, content),
            BITS[response.getheader(worker_notes.HEADER, "")],
            response.status == 503,
            misbehaved=response.getheader(worker_notes.MISBEHAVED) is not None,
            hung=response.getheader(worker_notes.HUNG) is not None,
        )

    def _acknowledge_at_once(self) -> None:
        # Or else the server keeps the body back until the headers are acknowledged (40 ms).
        if hasattr(socket, "TCP_QUICKACK"):  # It lasts for one answer.
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _request(self, token: str, asked: Asked) -> None:
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        if self._connection.sock is None:
            self._connection.connect()
            # Or else the headers and the body would wait for each other (40 ms).
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.request("POST", self._path, asked.form, headers)
