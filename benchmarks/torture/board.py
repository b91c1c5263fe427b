"""
What is known of each token and of each lane, in a file that all processes map into memory, so
that it outlives those that are killed.

Each field has one writer at a time, so that nothing is locked.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from types import TracebackType
from typing import Self

LANES = 8
"""The most processes that a board has room for."""

# How the honest client of a token has fared.
PENDING, ACCEPTED, REPLAYED, GAVE_UP = range(4)

# What befell a token on the way, as bits.
UNANSWERED, UNDECIDED, UNRELEASED, UNCOMMITTED, COLD, ROLLED_BACK = 1, 2, 4, 8, 16, 32

_COUNTERS = ("position", "in_hand", "requests", "failures", "stall", "finished")
_HEADER = 8 * LANES * (len(_COUNTERS) + 1)


class Board:
    """
    The board of a run with so many tokens.

    - ``offsets[lane]``: by how many seconds the clock of a lane is wrong.
    - ``position[lane]``: the next token that a lane is to send.
    - ``in_hand[lane]``: 1 + the token that it is sending, 0 for none.
    - ``requests``, ``failures``, ``stall`` (longest, ms) and ``finished``, each by lane.
    - ``issued[token]``: when it was issued, in seconds since 1970; 0 before that.
    - ``outcome[token]``, ``generation[token]`` (a cold start asks for a new token) and
      ``late[token]`` (whether the late replay is done). These four are written by the lane of
      its honest client.
    - ``fate[lane][token]``: what befell it, as this lane has seen it.
    """

    def __init__(self, path: Path, tokens: int) -> None:
        self.tokens = tokens
        size = _HEADER + tokens * (4 + 3 + LANES)
        if not path.exists():
            with path.open("wb") as file:
                file.truncate(size)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)
        view = memoryview(self._map)
        self.offsets = view[: 8 * LANES].cast("d")
        counters = [
            view[8 * LANES * at : 8 * LANES * (at + 1)].cast("q")
            for at in range(1, len(_COUNTERS) + 1)
        ]
        self.position, self.in_hand, self.requests, self.failures, self.stall, self.finished = (
            counters
        )
        self.issued = view[_HEADER : _HEADER + 4 * tokens].cast("I")
        columns = [view[_HEADER + tokens * n :][:tokens] for n in range(4, 4 + 3 + LANES)]
        self.outcome, self.generation, self.late = columns[:3]
        self.fate = columns[3:]
        self._views = [view, self.offsets, self.issued, *counters, *columns]

    def befell(self, token: int) -> int:
        """Return all that befell a token, as bits."""
        bits = 0
        for lane in self.fate:
            bits |= lane[token]
        return bits

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
