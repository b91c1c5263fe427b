"""How long a new connection to a Redis takes, with its handshake."""

from __future__ import annotations

import time
from collections.abc import Iterator

from redis import Redis

from jti_replay.backends.findings import Finding


def examine_connecting(server: Redis, timeout: float) -> Iterator[Finding]:
    """Make one, as the first request of a thread does. ``timeout`` is in seconds."""
    pool = server.connection_pool
    connection = pool.connection_class(**pool.connection_kwargs)
    start = time.perf_counter()
    try:
        connection.connect()
        took = time.perf_counter() - start
    finally:
        connection.disconnect()
    yield judge_connecting(took, timeout)


def judge_connecting(seconds: float, timeout: float) -> Finding:
    """Warn of connections that take more than half of the time that a request has."""
    milliseconds = round(seconds * 1000, 3)
    text = f"A new connection takes {milliseconds:.2f} ms"
    if seconds <= timeout / 2:
        return Finding.ok("new-connection", milliseconds, f"{text}.")
    return Finding.warning(
        "new-connection",
        milliseconds,
        f"{text}, and a request waits for {timeout * 1000:.0f} ms in all: the first one of a "
        "thread or an event loop may be refused with 503.",
        hint="Bring the store nearer, or raise OPTIONS['timeout'].",
        check="jti_replay.W025",
    )
