"""``manage.py jti_replay reset``: note that entries of a store may be missing."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from jti_replay import conf
from jti_replay.doctor.cold_start import iso

from .operation import Operation, caches_named


class Reset(Operation):
    """Restarts the memory of a cache in a database."""

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
        cache.restart_memory()
        since = iso(cache.complete_since())
        self.stdout.write(f"{cache.alias}: the memory begins at {since}.")
