"""``manage.py jti_replay purge``: delete the rows of jtis that have expired."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jti_replay.backends.database import PURGE_BATCH, DatabaseCache
from jti_replay.caches import replay_caches

HELP = "Delete the expired rows of DatabaseCaches."

BAR_WIDTH = 30


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--cache", help="The alias of one cache. All of them by default.")
    parser.add_argument(
        "--batch",
        type=int,
        default=PURGE_BATCH,
        help=f"Rows that one statement deletes at the most. {PURGE_BATCH} by default.",
    )


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Purge the caches, batch by batch, and show how far it is on a terminal."""
    if options["batch"] < 1:
        raise CommandError("--batch must be 1 or more.")
    for cache in _database_caches(options["cache"]):
        _purge(command, cache, options["batch"])


def _database_caches(alias: str | None) -> list[DatabaseCache]:
    if alias is not None and alias not in replay_caches:
        raise CommandError(f"There is no replay cache {alias!r}.")
    caches = replay_caches.all() if alias is None else [replay_caches[alias]]
    found = [cache for cache in caches if isinstance(cache, DatabaseCache)]
    if alias is not None and not found:
        raise CommandError(f"The replay cache {alias!r} is not in a database.")
    return found


def _purge(command: BaseCommand, cache: DatabaseCache, batch: int) -> None:
    backlog = cache.backlog()
    shows_progress = backlog > batch and command.stderr.isatty()
    purged = 0
    while deleted := cache.purge(batch):
        purged += deleted
        if shows_progress:
            # More may expire meanwhile.
            share = min(1.0, purged / backlog)
            bar = "#" * round(share * BAR_WIDTH)
            command.stderr.write(f"\r[{bar:<{BAR_WIDTH}}] {share:4.0%}", ending="")
            command.stderr.flush()
    if shows_progress:
        command.stderr.write("")
    command.stdout.write(f"{cache.alias}: {purged} rows purged, {cache.count()} are live.")
