"""The two ways into the site, as a client sees them: a token is sent, and a reply comes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol
from urllib.parse import urlencode

from . import worker_notes
from .shared_state import UNCOMMITTED, UNRELEASED

WAIT = 10.0
"""Seconds after which a client gives a request up."""

BITS = {
    "": 0,
    worker_notes.RELEASE_FAILED: UNRELEASED,
    worker_notes.DATABASE_LOST: UNCOMMITTED,
}
"""What befell a token, by what the worker noted of the request."""


class Answer(Enum):
    """What a client is told."""

    ACCEPTED = "accepted"
    REPLAYED = "replayed"
    COLD = "issued before this server can vouch for it"
    FAILED = "503, 500, or no answer at all"
    REFUSED = "any other refusal"


@dataclass(frozen=True)
class Reply:
    """An answer, and what befell the token on the way, as bits of the shared state."""

    answer: Answer
    bits: int = 0
    from_store: bool = False
    """Whether the store failed to judge the token (503)."""

    misbehaved: bool = False
    """Whether the site has misbehaved as it was asked to."""

    hung: bool = False
    """Whether the request, or a child of it, had not ended in time."""


@dataclass(frozen=True)
class Asked:
    """What a request asks of the site besides its work."""

    fail: bool = False
    """That the view fails after it has written."""

    misbehave: bool = False
    wait: float = 0.0
    """Seconds to wait between verifying the token and reserving its jti."""

    @property
    def form(self) -> str:
        """The body of the request."""
        fields = {"fail": self.fail, "misbehave": self.misbehave, "wait": self.wait}
        return urlencode({name: f"{value:g}" for name, value in fields.items() if value})


class Transport(Protocol):
    """A way into the site."""

    def send(self, token: str, asked: Asked) -> Reply:
        """Send a token."""


def judged(status: int, content: bytes) -> Answer:
    """Return what a response says of its token."""
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
