"""How many rows a cache in a database holds, and how many of them are of no more use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jti_replay.backends.findings import Finding

if TYPE_CHECKING:
    from jti_replay.backends.database.cache import DatabaseCache

LARGE_BACKLOG = 10_000
"""Rows. As long as there are reserves, each purges more than it adds."""


def examine_rows(cache: DatabaseCache) -> Iterator[Finding]:
    """Count them."""
    entries = cache.count()
    yield Finding.ok("entries", entries, f"Live entries: {entries:_}.")
    yield judge_backlog(cache.backlog(), entries)


def judge_backlog(backlog: int, entries: int) -> Finding:
    """Warn of a table that consists of expired rows for the most part."""
    text = f"Expired rows that are to be purged: {backlog:_}."
    if backlog < LARGE_BACKLOG or backlog <= entries:
        return Finding.ok("purge-backlog", backlog, text)
    return Finding.warning(
        "purge-backlog",
        backlog,
        text,
        hint="Run 'manage.py jti_replay purge', now and then.",
        check="jti_replay.W017",
    )
