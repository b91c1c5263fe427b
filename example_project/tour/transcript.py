"""What was sent and what came back, for a person to read, and whether it was right."""

import os
from collections.abc import Callable

from .site import Answer

USED = "already been used"


class Transcript:
    """The lines of a tour. No token and no jti is ever printed."""

    def __init__(self, write: Callable[[str], object], *, in_color: bool) -> None:
        self._write = write
        self._in_color = in_color and not os.environ.get("NO_COLOR")
        self.steps = 0
        self.failures = 0

    def head(self, url: str, caches: str) -> None:
        """Say where the server is, and name the columns."""
        self._write("django-jti-replay: each token is good for one request")
        self._write(f"server {url}, {caches}")
        self._write("")
        self._write(f"    {'kind of token':<16} {'request':<22} answer, and what it means")

    def answer(
        self, kind: str, what: str, answer: Answer, status: int, meaning: str, reason: str = ""
    ) -> None:
        """Print one request and its answer."""
        good = answer.status == status and reason in answer.reason
        told = meaning if good else answer.reason
        self.line(kind, what, f"{answer.status} {told}", good=good)

    def line(self, kind: str, what: str, text: str, *, good: bool) -> None:
        """Print one line."""
        self.steps += 1
        self.failures += not good
        mark = self._paint("ok ", 32) if good else self._paint("BAD", 31)
        self._write(f"{mark} {kind:<16} {what:<22} {text}")

    def foot(self) -> bool:
        """Print the verdict, and return it."""
        self._write("")
        if self.failures:
            verdict = f"{self.failures} of {self.steps} answers were not as promised."
        else:
            verdict = f"All {self.steps} answers were as promised."
        self._write(self._paint(verdict, 31 if self.failures else 32))
        return not self.failures

    def _paint(self, text: str, color: int) -> str:
        return f"\033[{color}m{text}\033[0m" if self._in_color else text
