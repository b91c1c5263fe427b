"""Which commands may ask the stores. That takes time and a network, so it is opt-in."""

from __future__ import annotations

import sys
from collections.abc import Sequence

NOT_FOR = ("migrate", "test")
"""
Commands that run the checks of a database unasked. The one creates the table that a check
misses, and neither shall need the servers of a site.
"""


def is_asked_for(databases: Sequence[str] | None) -> bool:
    """Return whether the checks were called with ``--database``, or by code that names one."""
    return bool(databases) and not any(command in NOT_FOR for command in sys.argv[1:2])
