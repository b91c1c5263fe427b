"""A Redis primary of one's own under Sentinel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .redis import RedisProcess
from .replication import is_followed, wait_for

DOWN_AFTER = 500
"""Milliseconds after which Sentinels take a server to be dead."""


class Sentinels:
    """A primary named "primary", two replicas, and three Sentinels that watch them."""

    def __init__(self, servers: list[RedisProcess], watchers: list[RedisProcess]) -> None:
        self.servers = servers
        self.watchers = watchers

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", watcher.port) for watcher in self.watchers]

    def primary(self) -> RedisProcess:
        """Return the one that they take for the primary."""
        with self.watchers[0].client() as client:
            _, port = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", "primary")
        [found] = [server for server in self.servers if server.port == int(port)]
        return found


@contextmanager
def running_sentinels(executable: str, folder: Path) -> Iterator[Sentinels]:
    """Run a primary, its replicas and its Sentinels."""
    with ExitStack() as running:
        primary = running.enter_context(RedisProcess(executable))
        follow = ["--replicaof", "127.0.0.1", str(primary.port)]
        servers = [primary]
        servers += [running.enter_context(RedisProcess(executable, *follow)) for _ in range(2)]
        with primary.client() as client:
            wait_for(lambda: is_followed(client, 2), "replication")
        watchers = [RedisProcess(executable) for _ in range(3)]
        names = [f"{number}" * 40 for number in range(3)]
        for watcher, name in zip(watchers, names, strict=True):
            # What they would find out by themselves, but within ten seconds.
            known = [f"known-replica primary 127.0.0.1 {one.port}" for one in servers[1:]]
            known += [
                f"known-sentinel primary 127.0.0.1 {other.port} {other_name}"
                for other, other_name in zip(watchers, names, strict=True)
                if other is not watcher
            ]
            lines = [
                f"myid {name}",
                f"monitor primary 127.0.0.1 {primary.port} 2",
                f"down-after-milliseconds primary {DOWN_AFTER}",
                "failover-timeout primary 5000",
                *known,
            ]
            config = folder / f"sentinel{name[0]}.conf"
            config.write_text("".join(f"sentinel {line}\n" for line in lines))
            watcher.start_sentinel(config)
            running.callback(watcher.stop)
        wait_for(lambda: all(map(_knows_all, watchers)), "Sentinels")
        yield Sentinels(servers, watchers)


def _knows_all(watcher: RedisProcess) -> bool:
    with watcher.client() as client:
        state: Any = client.sentinel_masters()["primary"]
    return state["num-other-sentinels"] == 2 and state["num-slaves"] == 2
