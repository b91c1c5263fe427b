"""``manage.py jti_replay purge``: delete what has expired in the database."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from django.core.management.base import CommandError

from jti_replay import replay_caches
from jti_replay.backends.database.cache import PURGE_BATCH, DatabaseCache

from .operation import Operation

BAR_WIDTH = 30


class Purge(Operation):
    """Deletes expired rows, in batches."""

    summary: ClassVar[str] = "Delete the expired rows of DatabaseCaches."

    @classmethod
    def add_arguments(cls, purge: argparse.ArgumentParser) -> None:
        """Describe its arguments."""
        purge.add_argument("--cache", help="The alias of one cache. All of them by default.")
        purge.add_argument(
            "--batch",
            type=int,
            default=PURGE_BATCH,
            help=f"Rows that one statement deletes at the most. {PURGE_BATCH} by default.",
        )

    def handle(self, **options: Any) -> None:
        """Purge."""
        if options["batch"] < 1:
            raise CommandError("--batch must be 1 or more.")
        for cache in self._database_caches(options["cache"]):
            self._purge(cache, options["batch"])

    def _database_caches(self, alias: str | None) -> list[DatabaseCache]:
        if alias is not None and alias not in replay_caches:
            raise CommandError(f"There is no replay cache {alias!r}.")
        caches = replay_caches.all() if alias is None else [replay_caches[alias]]
        found = [cache for cache in caches if isinstance(cache, DatabaseCache)]
        if alias is not None and not found:
            raise CommandError(f"The replay cache {alias!r} is not in a database.")
        return found

    def _purge(self, cache: DatabaseCache, batch: int) -> None:
        backlog = cache.backlog()
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
        # More may expire meanwhile.
        share = min(1.0, purged / backlog)
        bar = "#" * round(share * BAR_WIDTH)
        self.stderr.write(f"\r[{bar:<{BAR_WIDTH}}] {share:4.0%}", ending="")
        self.stderr.flush()
