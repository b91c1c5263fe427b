"""
The state that all processes of a run share: what is known of each token and of each client, in
a file that they map into memory, so that it outlives those that are killed.

Each field has one writer at a time, so that nothing is locked.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from types import TracebackType
from typing import Self

MOST_CLIENTS = 8
"""The most processes that a shared state has room for."""

# What the owner of a token was told in the end.
PENDING, ACCEPTED, REPLAYED, GAVE_UP = range(4)

# What befell a token on the way, as bits.
UNANSWERED, UNDECIDED, UNRELEASED, UNCOMMITTED, COLD, ROLLED_BACK = 1, 2, 4, 8, 16, 32
WENT_AWAY, INTERRUPTED = 64, 128

_COUNTERS = (
    *("position", "in_hand", "requests", "failures", "stall", "finished"),
    *("misbehaved", "hung"),
)
_COLUMNS = ("outcome", "generation", "late", "entered")
_HEADER = 8 * MOST_CLIENTS * (len(_COUNTERS) + 1)


class SharedState:
    """
    The state of a run with so many tokens.

    - ``offsets[client]``: by how many seconds the clock of a client is wrong.
    - ``position[client]``: the next token that a client is to send.
    - ``in_hand[client]``: 1 + the token that it is sending, 0 for none.
    - ``requests``, ``failures``, ``stall`` (longest, ms) and ``finished``, each by client.
    - ``misbehaved``: how often the site has misbehaved in a request of a client, and ``hung``:
      how many of its requests had no answer in time.
    - ``issued[token]``: when it was issued, in seconds since 1970; 0 before that.
    - ``outcome[token]``, ``generation[token]`` (a cold start asks for a new token) and
      ``late[token]`` (whether the late replay is done). The client that owns the token writes
      these four.
    - ``entered[token]``: whether the async view was entered with it. All workers write it.
    - ``told[client][token]``: how often a client was told that its first generation was
      accepted.
    - ``fate[client][token]``: what befell it, as this client has seen it.
    """

    def __init__(self, path: Path, tokens: int) -> None:
        self.tokens = tokens
        size = _HEADER + tokens * (4 + len(_COLUMNS) + 2 * MOST_CLIENTS)
        if not path.exists():
            with path.open("wb") as file:
                file.truncate(size)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)
        view = memoryview(self._map)
        self.offsets = view[: 8 * MOST_CLIENTS].cast("d")
        counters = [
            view[8 * MOST_CLIENTS * at : 8 * MOST_CLIENTS * (at + 1)].cast("q")
            for at in range(1, len(_COUNTERS) + 1)
        ]
        self.position, self.in_hand, self.requests, self.failures = counters[:4]
        self.stall, self.finished, self.misbehaved, self.hung = counters[4:]
        self.issued = view[_HEADER : _HEADER + 4 * tokens].cast("I")
        numbers = range(4, 4 + len(_COLUMNS) + 2 * MOST_CLIENTS)
        columns = [view[_HEADER + tokens * n :][:tokens] for n in numbers]
        self.outcome, self.generation, self.late, self.entered = columns[:4]
        self.fate, self.told = columns[4:-MOST_CLIENTS], columns[-MOST_CLIENTS:]
        self._views = [view, self.offsets, self.issued, *counters, *columns]

    def befell(self, token: int) -> int:
        """Return all that befell a token, as bits."""
        bits = 0
        for client in self.fate:
            bits |= client[token]
        return bits

    def times_told(self, token: int) -> int:
        """Return how often clients were told that a token was accepted."""
        return sum(client[token] for client in self.told)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for view in reversed(self._views):
            view.release()
        self._map.close()
