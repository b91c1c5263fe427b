"""A Redis Cluster of one's own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from .ports import free_port
from .redis import RedisProcess
from .replication import is_followed, wait_for

SLOTS = 16384
PRIMARIES = 3
NODE_TIMEOUT = 1000
"""Milliseconds after which nodes of a cluster take another one to be dead."""


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
        wait_for(lambda: all(map(_is_whole, self.nodes)), "cluster")


@contextmanager
def running_cluster(executable: str, folder: Path) -> Iterator[Cluster]:
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
        wait_for(lambda: all(map(_knows_every_node, clients)), "meeting")
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
