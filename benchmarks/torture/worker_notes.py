"""
What a worker says of a request besides its answer, so that the oracle can tell why an honest
client was refused: a release that did not reach the store, a database that was lost.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse

from jti_replay.signals import cache_failed

from .shared_state import SharedState

HEADER = "X-Torture-Notes"
MISBEHAVED, HUNG = "X-Torture-Misbehaved", "X-Torture-Hung"
RELEASE_FAILED, DATABASE_LOST = "release-failed", "database-lost"

_seen = threading.local()


def note(what: str) -> None:
    """Remember something of the request that this thread serves."""
    _seen.what = what


def take() -> str:
    """Return what was noted since the last time, or an empty str."""
    what: str = getattr(_seen, "what", "")
    _seen.what = ""
    return what


def listen() -> None:
    """Note from now on what the signals tell."""
    cache_failed.connect(_on_failure)


def _on_failure(reservation: Any = None, **kwargs: Any) -> None:
    if reservation is not None:  # Only a release has one.
        note(RELEASE_FAILED)


class NotesMiddleware:
    """Sends along what was noted, as headers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        listen()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        take()
        response = self._get_response(request)
        if what := take():
            response[HEADER] = what
        for attribute, header in (("misbehaved", MISBEHAVED), ("hung", HUNG)):
            if hasattr(request, attribute):
                response[header] = "1"
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        if isinstance(exception, DatabaseError):
            note(DATABASE_LOST)


def view_entered(request: Any) -> None:
    """Note for the oracle that an async view runs, whatever becomes of its client."""
    token = int(request.jwt_claims["jti"].partition(".")[0])
    _shared_state().entered[token] = 1


@cache
def _shared_state() -> SharedState:
    return SharedState(Path(os.environ["TORTURE_STATE"]), int(os.environ["TORTURE_TOKENS"]))
