"""How far the replicas of a Redis are behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from redis import Redis

from jti_replay.backends.findings import Finding

MOST_SECONDS = 5
"""Seconds since a replica was last heard of. It speaks once a second."""

MOST_BYTES = 1_000_000


def examine_replicas(server: Redis) -> Iterator[Finding]:
    """Ask the primary, which hears from them."""
    yield judge_replicas(server.info("replication"))


def judge_replicas(info: Mapping[str, Any]) -> Finding:
    """Warn of replicas that a failover would lose more to than the last moment."""
    replicas = [_replica(info, info[f"slave{n}"]) for n in range(info["connected_slaves"])]
    if not replicas:
        return Finding.ok("replicas", [], "It has no replica: the jtis are on one host.")
    behind, silent = (max(replica[key] for replica in replicas) for key in ("bytes", "seconds"))
    text = (
        f"Replicas: {len(replicas)}. The last is {behind:_} bytes behind, and was heard of "
        f"{silent} s ago. A failover forgets what had not reached the new primary."
    )
    if all(
        replica["state"] == "online"
        and replica["seconds"] <= MOST_SECONDS
        and replica["bytes"] <= MOST_BYTES
        for replica in replicas
    ):
        return Finding.ok("replicas", replicas, text)
    return Finding.warning(
        "replicas",
        replicas,
        text,
        hint="Look at the network and the load of the replicas.",
        check="jti_replay.W012",
    )


def _replica(info: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": f"{said['ip']}:{said['port']}",
        "state": said["state"],
        "bytes": max(0, info["master_repl_offset"] - said["offset"]),
        # A replica that is still loading has not been heard of.
        "seconds": said["lag"] if said["state"] == "online" else -1,
    }
