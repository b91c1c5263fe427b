from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import transaction


class BlockFailed(Exception):
    pass


@contextmanager
def failing_block(using: str) -> Iterator[None]:
    """Run an atomic() block, and let an exception roll it back that is then swallowed."""
    with suppress(BlockFailed), transaction.atomic(using):
        yield
        raise BlockFailed
