"""
What a worker says of a request besides its answer, so that the oracle can tell why an honest
client was refused: a release that did not reach the store, a database that was lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse

from jti_replay.signals import cache_failed

HEADER = "X-Torture-Notes"
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


def _on_failure(reservation: Any = None, **kwargs: Any) -> None:
    if reservation is not None:  # Only a release has one.
        note(RELEASE_FAILED)


cache_failed.connect(_on_failure)


class NotesMiddleware:
    """Sends along what was noted, as a header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        take()
        response = self._get_response(request)
        if what := take():
            response[HEADER] = what
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        if isinstance(exception, DatabaseError):
            note(DATABASE_LOST)
