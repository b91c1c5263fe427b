"""
Reserves in a network that breaks, and comes back when all of them were given up.

    unshare --net python -m tests.backends.redis.broken_network SERVER FOLDER

It prints, for each cache, how many entries are left. ``FOLDER`` holds certificates.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import django
from django.conf import settings

DOWN = 3.4
"""
Seconds for which the network is down. By the end of them the kernel has sent a packet four
times more, and waits for as long until the next time: all has been taken back by then.
"""

SENT_AGAIN = 4.5
"""Seconds after which that has arrived."""

CACHES = [f"{work}, {link}" for work in ("threads", "loop") for link in ("plain", "TLS")]


def main(executable: str, folder: str) -> None:
    """Run a Redis, and reserve one jti in each cache while the network is down."""
    from tests.servers.ports import free_port
    from tests.servers.redis import RedisProcess

    let_network("up")
    tls_port = free_port()
    options = ["--tls-port", str(tls_port), "--tls-auth-clients", "no"]
    for name, file in (("ca-cert", "ca.pem"), ("cert", "server.pem"), ("key", "server.key")):
        options += [f"--tls-{name}-file", f"{folder}/{file}"]
    with RedisProcess(executable, *options) as process:
        configure(process.port, tls_port, f"{folder}/ca.pem")
        phases = Barrier(len(CACHES) + 1, timeout=20)
        with ThreadPoolExecutor(len(CACHES)) as executor:
            work = [executor.submit(reserve_both, name, phases) for name in CACHES]
            phases.wait()  # All are connected.
            let_network("down")
            end = time.monotonic() + DOWN
            phases.wait()
            phases.wait()  # All have given up.
            time.sleep(max(0.0, end - time.monotonic()))
            let_network("up")
            time.sleep(SENT_AGAIN)
            with process.client() as client:
                left = {name: len([*client.scan_iter(f"{name}:*")]) for name in CACHES}
            phases.wait()
            for each in work:
                each.result()
    print(json.dumps(left))


def let_network(state: str) -> None:
    """Let the loopback interface, the only one there is, be "up" or "down"."""
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


def configure(port: int, tls_port: int, authority: str) -> None:
    """Set Django up with a cache for each way to reserve, which have a prefix each."""
    backend = "django_redis.cache.RedisCache"
    pool = {"CONNECTION_POOL_KWARGS": {"ssl_ca_certs": authority}}
    aliases = {
        "default": {"BACKEND": backend, "LOCATION": f"redis://127.0.0.1:{port}/0"},
        "TLS": {
            "BACKEND": backend,
            "LOCATION": f"rediss://127.0.0.1:{tls_port}/0",
            "OPTIONS": pool,
        },
    }
    caches: dict[str, Any] = {
        name: {
            "BACKEND": "jti_replay.backends.redis.RedisCache",
            "LOCATION": "TLS" if "TLS" in name else "default",
            "OPTIONS": {"prefix": f"{name}:", "timeout": 1.2},
        }
        for name in CACHES
    }
    caches["default"] = {"BACKEND": "jti_replay.backends.memory.InMemoryCache"}
    settings.configure(CACHES=aliases, JTI_REPLAY={"CACHES": caches}, LOGGING_CONFIG=None)
    django.setup()


def reserve_both(name: str, phases: Barrier) -> None:
    """Reserve one jti while the network is there, and one while it is not."""
    if name.startswith("threads"):
        from jti_replay import CacheError, replay_caches

        assert replay_caches[name].reserve("before")
        phases.wait()
        phases.wait()
        try:
            raise AssertionError(replay_caches[name].reserve("given up"))
        except CacheError:
            phases.wait()
        phases.wait()
    else:
        asyncio.run(areserve_both(name, phases))


async def areserve_both(name: str, phases: Barrier) -> None:
    """Async version of :func:`reserve_both`."""
    from jti_replay import CacheError, replay_caches

    assert await replay_caches[name].areserve("before")
    phases.wait()
    phases.wait()
    try:
        raise AssertionError(await replay_caches[name].areserve("given up"))
    except CacheError:
        await asyncio.to_thread(phases.wait)
    await asyncio.to_thread(phases.wait)


if __name__ == "__main__":
    main(*sys.argv[1:])
