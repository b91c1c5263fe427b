"""Several Redis processes that belong together: a cluster, or a primary under Sentinel."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from tests.backends.redis.redis_process import RedisProcess
from tests.servers import free_port

SLOTS = 16384
PRIMARIES = 3
NODE_TIMEOUT = 1000
"""Milliseconds after which nodes of a cluster take another one for dead."""

DOWN_AFTER = 500
"""The same for Sentinels."""


class Cluster:
    """Three primaries, each with a replica, which come last."""

    def __init__(self, nodes: list[RedisProcess]) -> None:
        self.nodes = nodes
        self.url = nodes[0].url

    def primary_of(self, key: bytes) -> RedisProcess:
        """Return the node that holds a key."""
        with self.nodes[0].client() as client:
            slot = client.execute_command("CLUSTER KEYSLOT", key)
        for node in self.nodes:
            with suppress(redis.RedisError), node.client() as client:
                if client.execute_command("ROLE")[0] == b"master" and slot in _slots(client):
                    return node
        raise AssertionError("no node holds that slot")

    def flush(self) -> None:
        for node in filter(is_primary, self.nodes):
            with node.client() as client:
                client.flushall()

    def wait_until_whole(self) -> None:
        """Wait until each primary has a replica that follows."""
        _wait_for(lambda: all(map(_is_whole, self.nodes)), "cluster")


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
def cluster(executable: str, folder: Path) -> Iterator[Cluster]:
    """Run a cluster."""
    with ExitStack() as running:
        nodes = []
        for number in range(2 * PRIMARIES):
            home = folder / f"{number}"
            home.mkdir()
            options = ["--cluster-enabled", "yes", "--dir", str(home)]
            options += ["--cluster-node-timeout", str(NODE_TIMEOUT)]
            process = RedisProcess(executable, *options, port=_port_with_a_bus())
            nodes.append(running.enter_context(process))
        _join(nodes)
        made = Cluster(nodes)
        made.wait_until_whole()
        yield made


@contextmanager
def sentinels(executable: str, folder: Path) -> Iterator[Sentinels]:
    """Run a primary, its replicas and its Sentinels."""
    with ExitStack() as running:
        primary = running.enter_context(RedisProcess(executable))
        follow = ["--replicaof", "127.0.0.1", str(primary.port)]
        servers = [primary]
        servers += [running.enter_context(RedisProcess(executable, *follow)) for _ in range(2)]
        with primary.client() as client:
            _wait_for(lambda: is_followed(client, 2), "replication")
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
        _wait_for(lambda: all(map(_knows_all, watchers)), "Sentinels")
        yield Sentinels(servers, watchers)


def _port_with_a_bus() -> int:
    # Nodes talk to each other on a port that lies ten thousand higher.
    while True:
        port = free_port()
        if port < 55_000:
            with socket.socket() as probe, suppress(OSError):
                probe.bind(("127.0.0.1", port + 10_000))
                return port


def _join(nodes: list[RedisProcess]) -> None:
    share = SLOTS // PRIMARIES + 1
    with ExitStack() as stack:
        clients = [stack.enter_context(node.client()) for node in nodes]
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER MEET", "127.0.0.1", nodes[0].port)
            if number < PRIMARIES:
                slots = range(number * share, min(SLOTS, (number + 1) * share))
                client.execute_command("CLUSTER ADDSLOTS", *slots)
        _wait_for(lambda: all(map(_knows_every_node, clients)), "meeting")
        for number, client in enumerate(clients[PRIMARIES:]):
            client.execute_command("CLUSTER REPLICATE", id_of(clients[number]))


def _knows_every_node(client: redis.Redis) -> bool:
    nodes: Any = client.execute_command("CLUSTER NODES")
    return len(nodes) == 2 * PRIMARIES and not any(
        "handshake" in node["flags"] for node in nodes.values()
    )


def _is_whole(node: RedisProcess) -> bool:
    with suppress(redis.RedisError), node.client() as client:
        role: Any = client.execute_command("ROLE")
        if role[0] == b"slave":
            return bool(role[3] == b"connected")
        info: Any = client.execute_command("CLUSTER INFO")
        return info["cluster_state"] == "ok" and is_followed(client, 1)
    return False


def is_primary(node: RedisProcess) -> bool:
    with node.client() as client:
        role: Any = client.execute_command("ROLE")
    return bool(role[0] == b"master")


def id_of(client: redis.Redis) -> str:
    """Return the name by which the nodes of a cluster know one of them."""
    name: Any = client.execute_command("CLUSTER MYID")
    return str(name.decode())


def _slots(client: redis.Redis) -> set[int]:
    nodes: Any = client.execute_command("CLUSTER NODES")
    [mine] = [node for node in nodes.values() if "myself" in node["flags"]]
    return {slot for part in mine["slots"] for slot in range(int(part[0]), int(part[-1]) + 1)}


def is_followed(primary: redis.Redis, replicas: int) -> bool:
    """Empty a primary, and return whether so many replicas have done the same at once."""
    primary.flushall()
    return int(primary.wait(replicas, 100)) >= replicas


def _knows_all(watcher: RedisProcess) -> bool:
    with watcher.client() as client:
        state: Any = client.sentinel_masters()["primary"]
    return state["num-other-sentinels"] == 2 and state["num-slaves"] == 2


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the {what} took too long")
        time.sleep(0.02)
