"""Assertions of what became of a token."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from jti_replay.signals import jti_released, jti_replayed, jti_reserved

logger = logging.getLogger("jti_replay")


@contextmanager
def assert_consumed(profile: str = "default") -> Iterator[None]:
    """
    Assert that a token of a profile was used up in the block, and was not given back.

    The failure says what happened to each token, by its digest, and why one was refused.
    """
    story = _Story(profile)
    with story.told():
        yield
    if not story.consumed:
        raise AssertionError(f"No token of the profile {profile!r} was consumed. {story}")


@contextmanager
def assert_not_consumed(profile: str = "default") -> Iterator[None]:
    """Assert that no token of a profile was used up in the block, or that it was given back."""
    story = _Story(profile)
    with story.told():
        yield
    if story.consumed:
        raise AssertionError(f"A token of the profile {profile!r} was consumed. {story}")


class _Story(logging.Handler):
    """What signals and the log tell of the tokens of a profile."""

    def __init__(self, profile: str) -> None:
        super().__init__()
        self._profile = profile
        self._lines: list[str] = []
        self.consumed: set[str] = set()

    def __str__(self) -> str:
        return "\n".join(["What happened:", *self._lines]) if self._lines else "No token came."

    @contextmanager
    def told(self) -> Iterator[None]:
        """Listen while a block runs."""
        level = logger.level
        with ExitStack() as stack:
            for signal in (jti_reserved, jti_replayed, jti_released):
                # A strong reference: the story outlives the block.
                signal.connect(self._hear, weak=False)
                stack.callback(signal.disconnect, self._hear)
            logger.addHandler(self)
            stack.callback(logger.removeHandler, self)
            logger.setLevel(logging.INFO)  # A refusal is no warning.
            stack.callback(logger.setLevel, level)
            yield

    def emit(self, record: logging.LogRecord) -> None:
        """Note a line of the log that names the profile."""
        line = record.getMessage()
        if f"rofile={self._profile!r}" in line or f"rofile {self._profile!r}" in line:
            self._lines.append(f"- {line}")

    def _hear(
        self, signal: Any, digest: str, profile: str | None = None, **kwargs: Any
    ) -> None:
        if profile != self._profile:
            return
        if signal is jti_reserved:
            self.consumed.add(digest)
            self._lines.append(f"- The token {digest} was reserved.")
        elif signal is jti_released:
            self.consumed.discard(digest)
            self._lines.append(f"- The token {digest} was released.")
