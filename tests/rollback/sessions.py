"""What is done to a session of PostgreSQL from outside."""

from __future__ import annotations

import time
from typing import Any


def terminate(connection: Any, other_session: Any) -> None:
    """End the session behind a connection, which does not notice yet."""
    process = connection.connection.info.backend_pid
    with other_session.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [process])
        for _ in range(200):
            cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [process])
            if cursor.fetchone() is None:
                return
            time.sleep(0.01)
    raise AssertionError("the session did not end")
