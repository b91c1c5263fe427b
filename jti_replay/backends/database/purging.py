"""When a process deletes expired rows on its way."""

from __future__ import annotations

import secrets

from .test_run import is_test_run

INTERVAL = 128
"""
Reserves of a process after which one of them purges. The first count starts anywhere, so that
processes which live for a short time purge too.
"""


class PurgeSchedule:
    """Counts the reserves of a process. ``is_enabled`` is the project's choice."""

    def __init__(self, is_enabled: bool) -> None:
        self._is_enabled = is_enabled
        self._reserves = secrets.randbelow(INTERVAL)

    def is_due(self) -> bool:
        """Count a reserve. Return whether it is to purge."""
        self._reserves += 1
        if self._reserves < INTERVAL:
            return False
        self._reserves = 0
        # A query or a callback that comes now and then would fail tests that count them.
        return self._is_enabled and not is_test_run()
