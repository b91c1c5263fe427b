"""
A Redis Cluster: each key is held by one of several primaries, which may change.

redis-py knows the protocol, but not when to give up: after an error it asks one node after
the other which of them holds what, and waits for each. So it is left to it to keep the map of
the cluster, in the background, and commands are sent to their nodes from here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,
    MovedError,
)

from jti_replay.backends.redis.scripts import Command
from jti_replay.conf.forks import new_lock

from .call import Call
from .thread_connections import ThreadConnections


class Cluster:
    """
    A cluster. ``connect`` makes the client that keeps its map; ``wait`` is the longest time,
    in seconds, for which a node is waited for. The map gets what is left of a call's time.
    """

    def __init__(self, connect: Callable[[], RedisCluster], wait: float) -> None:
        self._connect = connect
        self._wait = wait
        self._client: RedisCluster | None = None
        self._failure: Exception | None = None
        self._lock = new_lock()
        self._mapping: threading.Thread | None = None
        self._nodes: dict[str, ThreadConnections] = {}

    def send(self, key: bytes, commands: Sequence[Command], call: Call) -> list[Any]:
        """Send commands to the node that holds a key, and on to where it says the key is."""
        client = self._connected(call)
        node, asking = client.get_node_from_key(key), False
        while True:
            sent = [("ASKING",), *commands] if asking else commands
            replies = self._to(node).exchange(sent, call)[-len(commands) :]
            answer = replies[0]
            if isinstance(answer, ClusterDownError):  # Or this node has lost touch with it.
                raise answer
            if not isinstance(answer, AskError):
                return replies
            asking = not isinstance(answer, MovedError)
            if asking:
                node = client.get_node(answer.host, answer.port)
                if node is None:
                    raise ConnectionError("The key is on a node that is not known yet.")
            else:
                client.nodes_manager.move_slot(answer)
                node = client.get_node_from_key(key)

    def send_each(self, commands: Sequence[tuple[bytes, Command]], call: Call) -> list[Any]:
        """Send each command to the node that holds its key, as long as there is time."""
        client = self._connected(call)
        shares: dict[Any, list[Command]] = {}
        for key, command in commands:
            shares.setdefault(client.get_node_from_key(key), []).append(command)
        replies: list[Any] = []
        for node, share in shares.items():
            replies += self._to(node).exchange(share, call)
        return replies

    def recover(self, call: Call) -> bool:
        """Draw the map again, in the time that is not needed for a second attempt."""
        call.use_new_connections()
        self._map(call)
        return time.monotonic() + self._wait <= call.deadline

    def servers(self, call: Call) -> list[tuple[str, Redis]]:
        """Return clients of the primaries."""
        client = self._connected(call)
        primaries = client.get_primaries()
        return [(node.name, client.get_redis_connection(node)) for node in primaries]

    def close(self) -> None:
        """Let the connections of all threads go."""
        if self._client is not None:
            for node in cast("Any", self._client).get_nodes():
                self._client.get_redis_connection(node).connection_pool.disconnect()

    def _to(self, node: Any) -> ThreadConnections:
        pool = cast("Any", self._client).get_redis_connection(node).connection_pool
        with self._lock:  # They prepare the pool, which is to happen once.
            held = self._nodes.get(node.name)
            if held is None or held.pool is not pool:
                held = self._nodes[node.name] = ThreadConnections(pool, self._wait)
        return held

    def _connected(self, call: Call) -> Any:  # redis-py does not give its types.
        if self._client is None:
            self._map(call)
        if self._client is None:
            raise ConnectionError("No node has shown the map of the cluster") from self._failure
        return self._client

    def _map(self, call: Call) -> None:
        # All threads wait for the same one: many nodes may be dead, and each takes its time.
        with self._lock:
            if self._mapping is None or not self._mapping.is_alive():
                self._mapping = threading.Thread(target=self._draw, daemon=True)
                self._mapping.start()
            mapping = self._mapping
        mapping.join(max(0, call.deadline - self._wait - time.monotonic()))

    def _draw(self) -> None:
        try:
            if self._client is None:
                self._client = self._connect()
            else:
                self._client.nodes_manager.initialize()
        except Exception as error:
            self._failure = error
