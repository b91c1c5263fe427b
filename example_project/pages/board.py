"""
What has happened to jtis in this process: the live reservations, and the latest events, for
all pages that are open. Of a store the board asks nothing: stores hold only digests.
"""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

KEPT_EVENTS = 60
"""The number of events that a page finds when it is opened."""

QUIET = 15
"""Seconds after which a stream without events sends a comment, to see whether it is read."""


class Board:
    """The events, and those who wait for the next one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)
        self._number = 0
        self._reserved: dict[tuple[str, str], dict[str, Any]] = {}

    def reserved(self, entry: dict[str, Any]) -> None:
        """Note a reservation."""
        with self._changed:
            self._reserved[entry["cache"], entry["digest"]] = entry

    def released(self, cache: str, digest: str) -> None:
        """Note that a jti was given back."""
        with self._changed:
            self._reserved.pop((cache, digest), None)

    def add(self, source: str, name: str, text: str, digest: str = "") -> None:
        """Note an event, and wake those who wait."""
        event = {
            "at": time.time(),
            "source": source,
            "name": name,
            "text": text,
            "digest": digest,
        }
        with self._changed:
            self._number += 1
            self._events.append(event | {"number": self._number})
            self._changed.notify_all()

    def stream(self) -> Iterator[str]:
        """Yield server-sent events, as long as they are read: first what there is."""
        seen = -1
        while True:
            state = self._newer_than(seen)
            yield f"data: {json.dumps(state)}\n\n" if state else ": still here\n\n"
            if state:
                seen = state["number"]

    def _newer_than(self, seen: int) -> dict[str, Any] | None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._number > seen, timeout=QUIET):
                return None
            now = time.time()
            for key, entry in list(self._reserved.items()):
                if entry["expires_at"] <= now:
                    del self._reserved[key]
            return {
                "now": now,
                "number": self._number,
                "reserved": list(self._reserved.values()),
                "events": [event for event in self._events if event["number"] > seen],
            }


board = Board()


class BoardHandler(logging.Handler):
    """Puts log lines on the board, without tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        board.add("log", record.levelname.lower(), record.getMessage())
