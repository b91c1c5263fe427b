"""``manage.py jti_replay reset``: note that rows of the database may be missing."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.db import Error

from jti_replay import conf
from jti_replay.backends.database import DatabaseCache
from jti_replay.doctor.cold_start import iso

from .operation import Operation, caches_named


class Reset(Operation):
    """Lets the memory of a cache in a database begin now."""

    summary: ClassVar[str] = (
        "Let the memory of a DatabaseCache begin now, after a backup was restored: with "
        "COLD_START 'refuse', tokens from before are refused. No row is deleted."
    )

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Describe its arguments."""
        parser.add_argument(
            "--cache", default=conf.DEFAULT_ALIAS, help='The alias of the cache: "default".'
        )

    def handle(self, **options: Any) -> None:
        """Note it."""
        [cache] = caches_named(options["cache"])
        if not isinstance(cache, DatabaseCache):
            raise CommandError(f"The replay cache {cache.alias!r} is not in a database.")
        try:
            cache.restart_memory()
        except Error as error:
            raise CommandError(f"The replay cache {cache.alias!r} failed: {error}") from error
        since = iso(cache.complete_since())
        self.stdout.write(f"{cache.alias}: the memory begins at {since}.")
