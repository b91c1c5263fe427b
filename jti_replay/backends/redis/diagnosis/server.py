"""What a Redis says of itself: which one it is, and whether it forgets when it is full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from redis import Redis

from jti_replay.backends.findings import Finding

OLDEST = (6, 2)


def examine_server(server: Redis) -> Iterator[Finding]:
    """Ask it once for all of this."""
    info = server.info()
    yield judge_version(info)
    yield judge_role(info)
    yield judge_policy(info)
    yield judge_memory(info)
    yield judge_evictions(info)


def judge_version(info: Mapping[str, Any]) -> Finding:
    """Refuse a server that is too old. Valkey began with Redis 7.2, and says so."""
    version = str(info["redis_version"])
    name = f"Redis {version}"
    if "valkey_version" in info:
        name = f"Valkey {info['valkey_version']}"
    if tuple(int(part) for part in version.split(".")[:2]) >= OLDEST:
        return Finding.ok("version", name, f"It is {name}.")
    return Finding.error(
        "version",
        name,
        f"It is {name}, which is too old.",
        hint="Use Redis 6.2 or later, or Valkey.",
        check="jti_replay.E021",
    )


def judge_role(info: Mapping[str, Any]) -> Finding:
    """Refuse a replica: it takes no writes, or loses them."""
    role = info["role"]
    if role == "master":
        return Finding.ok("role", role, "It is the primary.")
    return Finding.error(
        "role",
        role,
        f"It is a replica of {info.get('master_host')}:{info.get('master_port')}.",
        hint="Let LOCATION lead to the primary, by Sentinel if it moves.",
        check="jti_replay.E022",
    )


def judge_policy(info: Mapping[str, Any]) -> Finding:
    """Refuse every policy that lets live jtis go to make room."""
    policy = info["maxmemory_policy"]
    limit = info["maxmemory"]
    if policy == "noeviction":
        text = "It is noeviction: no jti is forgotten to make room. "
        if limit:
            text += f"At maxmemory, {limit:_} bytes, new ones are refused."
        else:
            text += "There is no maxmemory, so the kernel ends it when the host has none left."
        return Finding.ok("maxmemory-policy", policy, text)
    return Finding.error(
        "maxmemory-policy",
        policy,
        f"It is {policy}. At maxmemory ({limit or 'not set yet'}) live jtis are forgotten, and "
        "their tokens pass again.",
        hint="Set 'maxmemory-policy noeviction', on a server that no other cache fills.",
        check="jti_replay.E023",
    )


def judge_memory(info: Mapping[str, Any]) -> Finding:
    """Refuse a server that has no room for another jti."""
    used, limit = info["used_memory"], info["maxmemory"]
    text = f"It uses {used:_} bytes of memory"
    if not limit or used < limit:
        return Finding.ok("memory", used, f"{text}.")
    return Finding.error(
        "memory",
        used,
        f"{text}, and maxmemory is {limit:_}: new tokens are refused with 503.",
        hint="Raise maxmemory. Expired jtis make room by themselves.",
        check="jti_replay.E026",
    )


def judge_evictions(info: Mapping[str, Any]) -> Finding:
    """Refuse a server that has already forgotten keys."""
    evicted = info["evicted_keys"]
    if not evicted:
        return Finding.ok("evicted", evicted, "It has not evicted a key since it started.")
    return Finding.error(
        "evicted",
        evicted,
        f"It has evicted {evicted:_} keys since it started. If jtis were among them, their "
        "tokens pass again.",
        hint="Set 'maxmemory-policy noeviction', and give it more memory. CONFIG RESETSTAT "
        "starts the count again.",
        check="jti_replay.E024",
    )
