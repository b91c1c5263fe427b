"""The two ways into the site: over HTTP, and straight to the decorated view."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol
from urllib.parse import urlencode

from . import witness
from .board import UNANSWERED, UNCOMMITTED, UNRELEASED

WAIT = 10.0
"""Seconds after which a client gives a request up."""

BITS = {
    "": 0,
    witness.RELEASE_FAILED: UNRELEASED,
    witness.DATABASE_LOST: UNCOMMITTED,
}


class Answer(Enum):
    """What a client is told."""

    ACCEPTED = "accepted"
    REPLAYED = "replayed"
    COLD = "issued before this server can vouch for it"
    FAILED = "503, 500, or no answer at all"
    REFUSED = "any other refusal"


@dataclass(frozen=True)
class Reply:
    """An answer, and what befell the token meanwhile, as bits of the board."""

    answer: Answer
    bits: int = 0
    from_store: bool = False
    """Whether the store failed to judge the token (503)."""


class Door(Protocol):
    """A way into the site."""

    def send(self, token: str, *, fail: bool) -> Reply:
        """Send a token; ``fail`` asks the view to fail after it has written."""


class HTTPDoor:
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
        bits = BITS[response.getheader(witness.HEADER, "")]
        return Reply(_judged(response.status, content), bits, response.status == 503)


class DirectDoor:
    """Straight to the view of the example project, in this process and on its database."""

    def __init__(self) -> None:
        from exchange.views import exchange

        self._view = exchange

    def send(self, token: str, *, fail: bool) -> Reply:
        from django.db import Error, close_old_connections
        from django.http import HttpRequest, QueryDict
        from exchange.views import WorkFailed

        request = HttpRequest()
        request.method = "POST"
        request.META["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        request.POST = QueryDict("fail=1" if fail else "")
        witness.take()
        try:
            response = self._view(request)
        except WorkFailed:
            return Reply(Answer.FAILED, BITS[witness.take()])
        except Error:
            return Reply(Answer.FAILED, BITS[witness.take()] | UNCOMMITTED)
        finally:
            close_old_connections()  # As Django does at the end of each request.
        answer = _judged(response.status_code, response.content)
        return Reply(answer, BITS[witness.take()], response.status_code == 503)


def _judged(status: int, content: bytes) -> Answer:
    if status == 200:
        return Answer.ACCEPTED
    if status >= 500:
        if b"can vouch for it" in content:
            return Answer.COLD
        return Answer.FAILED
    said: Any = json.loads(content)
    if "already been used" in said["error_description"]:
        return Answer.REPLAYED
    return Answer.REFUSED
