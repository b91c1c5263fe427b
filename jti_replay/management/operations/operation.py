"""The base class of subcommands."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from django.core.management.base import CommandError, OutputWrapper
from django.core.management.color import Style

from jti_replay import replay_caches
from jti_replay.backends.base import BaseReplayCache


@dataclass
class Operation(ABC):
    """
    Something that an operator does with the caches.

    It writes to ``stdout`` and ``stderr`` in the colours of ``style``. What it raises becomes
    one line and exit status 1.
    """

    stdout: OutputWrapper
    stderr: OutputWrapper
    style: Style

    summary: ClassVar[str]
    """What it does, in a sentence."""

    failure_note: ClassVar[str] = ""
    """What is said after a failure: what it leaves behind."""

    @classmethod
    @abstractmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Describe its arguments."""

    @abstractmethod
    def handle(self, **options: Any) -> None:
        """Do it."""


def caches_named(alias: str | None) -> list[BaseReplayCache]:
    """Return the cache of an alias, or all of them. Raises :exc:`CommandError` for no cache."""
    if alias is None:
        return [replay_caches[name] for name in replay_caches]
    if alias not in replay_caches:
        known = ", ".join(map(repr, replay_caches))
        raise CommandError(f"There is no replay cache {alias!r}. There is {known}.")
    return [replay_caches[alias]]
