"""``manage.py jti_replay purge``: delete the entries that have expired."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from django.core.management.base import CommandError

from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.store import PURGE_BATCH

from .failures import for_each
from .operation import Operation, caches_named

BAR_WIDTH = 30
LARGEST_BATCH = 1_000_000


class Purge(Operation):
    """Deletes expired entries, in batches."""

    summary: ClassVar[str] = "Delete the expired rows of DatabaseCaches."

    @classmethod
    def add_arguments(cls, purge: argparse.ArgumentParser) -> None:
        """Describe its arguments."""
        purge.add_argument("--cache", help="The alias of one cache. All of them by default.")
        purge.add_argument(
            "--batch",
            type=int,
            default=PURGE_BATCH,
            help=f"The most rows that one statement deletes. {PURGE_BATCH} by default.",
        )

    def handle(self, **options: Any) -> None:
        """Purge the caches, also after one has failed."""
        batch = options["batch"]
        if not 1 <= batch <= LARGEST_BATCH:
            raise CommandError(f"--batch must be from 1 to {LARGEST_BATCH:_}.")
        is_named = options["cache"] is not None

        def purge(cache: BaseReplayCache) -> None:
            backlog = cache.backlog()
            if backlog is not None:
                self._purge(cache, batch, backlog)
            elif is_named:
                raise CommandError("It forgets expired entries by itself.")

        for_each(caches_named(options["cache"]), purge)

    def _purge(self, cache: BaseReplayCache, batch: int, backlog: int) -> None:
        shows_progress = backlog > batch and self.stderr.isatty()
        purged = 0
        while deleted := cache.purge(batch):
            purged += deleted
            if shows_progress:
                self._show_progress(purged, backlog)
        if shows_progress:
            self.stderr.write("")
        self.stdout.write(f"{cache.alias}: {purged} rows purged, {cache.count()} are live.")

    def _show_progress(self, purged: int, backlog: int) -> None:
        # More may expire in the meantime.
        share = min(1.0, purged / backlog)
        bar = "#" * round(share * BAR_WIDTH)
        self.stderr.write(f"\r[{bar:<{BAR_WIDTH}}] {share:4.0%}", ending="")
        self.stderr.flush()
