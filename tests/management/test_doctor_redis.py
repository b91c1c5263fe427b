"""What the doctor says of a Redis."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis

from jti_replay.backends.redis.diagnosis import entries as redis_entries
from jti_replay.backends.redis.diagnosis.durability import judge_append_only
from jti_replay.backends.redis.diagnosis.replicas import judge_replicas
from jti_replay.backends.redis.diagnosis.server import judge_memory, judge_version
from jti_replay.backends.redis.transport.clients import RedisClients
from tests.backends.conftest import UseRedis
from tests.servers import free_port
from tests.servers.cluster import Cluster
from tests.servers.redis import RedisProcess
from tests.stopwatch import takes_at_most

from .conftest import Examine, url_of, use


def problems(found: dict[str, Any]) -> dict[str, str]:
    """Return the ids of what is not as it should be, by key."""
    return {
        key: finding.check.removeprefix("jti_replay.")
        for key, finding in found.items()
        if finding.level != "ok"
    }


def test_a_server_that_forgets_nothing_is_as_it_should_be(
    findings: Examine, own_redis: redis.Redis, settings: Any
) -> None:
    own_redis.config_set("appendonly", "yes")
    own_redis.config_set("appendfsync", "always")
    own_redis.config_set("maxmemory", "100mb")
    cache = use(settings, url_of(own_redis))
    assert cache.reserve("a")
    found = findings()
    assert problems(found) == {}
    assert found["reachable"].value is True
    assert 0 < found["latency"].value < 400
    assert abs(found["clock-difference"].value) < 0.1
    assert found["version"].value.split()[0] in ("Redis", "Valkey")
    assert found["role"].value == "master"
    assert found["maxmemory-policy"].value == "noeviction"
    assert found["evicted"].value == 0
    assert found["persistence"].value == "aof, appendfsync always"
    assert found["replicas"].value == []
    assert found["entries"].value == 1
    assert found["shared"].value == []
    assert found["memory"].value > 0
    assert 0 < found["bytes-per-entry"].value <= 120


def test_it_only_reads_and_says_the_same_twice(
    findings: Examine, own_redis: redis.Redis, settings: Any
) -> None:
    """A new store that is to refuse after a cold start is healthy, and stays empty."""
    changes = own_redis.info()["rdb_changes_since_last_save"]
    use(settings, url_of(own_redis), COLD_START="refuse")
    first, second = findings(), findings()
    assert "error" not in {finding.level for finding in first.values()}
    assert own_redis.keys() == []
    assert own_redis.info()["rdb_changes_since_last_save"] == changes
    for found in (first, second):
        for key in ("latency", "new-connection", "clock-difference", "writes", "memory"):
            del found[key]
    assert first == second


def test_a_server_that_is_full_is_an_error(
    findings: Examine, own_redis: redis.Redis, settings: Any
) -> None:
    use(settings, url_of(own_redis))
    own_redis.config_set("maxmemory", 1)
    finding = findings()["memory"]
    assert (finding.level, finding.check) == ("error", "jti_replay.E026")
    for used, level in ((9, "ok"), (10, "error")):
        assert judge_memory({"used_memory": used, "maxmemory": 10}).level == level


def test_a_user_that_may_not_write_is_an_error(
    findings: Examine, own_redis: redis.Redis, settings: Any
) -> None:
    own_redis.acl_setuser(
        "app",
        enabled=True,
        passwords=["+secret"],
        keys=["*"],
        categories=["+@all", "-@write"],
        commands=["+eval", "+evalsha"],
    )
    use(settings, url_of(own_redis).replace("//", "//app:secret@"))
    finding = findings()["writes"]
    assert (finding.level, finding.check) == ("error", "jti_replay.E026")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "volatile-ttl"])
def test_a_policy_that_evicts_is_an_error(
    findings: Examine, own_redis: redis.Redis, settings: Any, policy: str
) -> None:
    own_redis.config_set("maxmemory-policy", policy)
    use(settings, url_of(own_redis))
    finding = findings()["maxmemory-policy"]
    assert (finding.value, finding.level, finding.check) == (policy, "error", "jti_replay.E023")


def test_so_are_keys_that_were_evicted(
    findings: Examine, own_redis: redis.Redis, settings: Any
) -> None:
    own_redis.config_set("maxmemory-policy", "allkeys-lru")
    own_redis.config_set("maxmemory", own_redis.info()["used_memory"] + 300_000)
    for number in range(200):
        own_redis.set(f"jti:{number}", "x" * 10_000)
    own_redis.config_set("maxmemory-policy", "noeviction")
    own_redis.config_set("maxmemory", 0)
    use(settings, url_of(own_redis))
    found = findings()
    assert found["evicted"].value > 0
    assert problems(found)["evicted"] == "E024"
    assert "maxmemory-policy" not in problems(found)


@pytest.mark.parametrize(
    ("appendonly", "save", "refuses", "value", "level"),
    [
        ("no", "", False, "none", "warning"),
        ("no", "", True, "none", "ok"),
        ("no", "3600 1", False, "rdb", "warning"),
        ("no", "3600 1", True, "rdb", "warning"),
        ("yes", "3600 1", True, "aof, appendfsync everysec", "warning"),
    ],
)
def test_what_a_restart_takes_depends_on_what_is_on_disk(
    findings: Examine,
    own_redis: redis.Redis,
    settings: Any,
    appendonly: str,
    save: str,
    refuses: bool,
    value: str,
    level: str,
) -> None:
    own_redis.config_set("appendonly", appendonly)
    own_redis.config_set("save", save)
    cache = use(settings, url_of(own_redis))
    cache.refuses_cold_start = refuses
    finding = findings()["persistence"]
    assert (finding.value, finding.level) == (value, level)
    assert finding.check == ("" if level == "ok" else "jti_replay.W011")


def test_writing_that_is_left_to_the_system_is_warned_of() -> None:
    assert judge_append_only("no").check == "jti_replay.W011"


def test_a_replica_is_seen_from_both_sides(
    findings: Examine,
    own_redis: redis.Redis,
    redis_server: str,
    tmp_path_factory: pytest.TempPathFactory,
    settings: Any,
) -> None:
    folder = str(tmp_path_factory.mktemp("replica"))
    port = own_redis.connection_pool.connection_kwargs["port"]
    own_redis.config_set("repl-diskless-sync-delay", "0")
    with (
        RedisProcess(
            redis_server, "--replicaof", "127.0.0.1", str(port), "--dir", folder
        ) as process,
        redis.Redis(port=process.port) as replica,
    ):
        deadline = time.monotonic() + 10
        while own_redis.info().get("slave0", {}).get("state") != "online":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        use(settings, url_of(own_redis))
        [seen] = findings()["replicas"].value
        assert seen["address"] == f"127.0.0.1:{process.port}"
        assert (seen["state"], seen["bytes"] < 1000) == ("online", True)
        use(settings, url_of(replica))
        found = findings()
        assert problems(found)["role"] == "E022"
        assert str(port) in found["role"].text
        assert problems(found)["writes"] == "E026"


@pytest.mark.parametrize(
    "changes", [{"state": "wait_bgsave"}, {"lag": 6}, {"offset": 1}, {}], ids=str
)
def test_a_replica_that_is_far_behind_is_warned_of(changes: dict[str, Any]) -> None:
    said = {"ip": "::1", "port": 1, "state": "online", "offset": 2_000_000, "lag": 0}
    info = {"connected_slaves": 1, "master_repl_offset": 2_000_007, "slave0": said | changes}
    assert judge_replicas(info).level == ("warning" if changes else "ok")


@pytest.mark.parametrize(
    ("info", "name", "level"),
    [
        ({"redis_version": "6.0.16"}, "Redis 6.0.16", "error"),
        ({"redis_version": "6.2.0"}, "Redis 6.2.0", "ok"),
        ({"redis_version": "10.0.1"}, "Redis 10.0.1", "ok"),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.0"}, "Valkey 8.1.0", "ok"),
    ],
    ids=str,
)
def test_a_server_that_is_too_old_is_an_error(
    info: dict[str, str], name: str, level: str
) -> None:
    finding = judge_version(info)
    assert (finding.value, finding.level) == (name, level)


@pytest.mark.parametrize(
    ("backend", "location", "is_shared"),
    [
        ("django_redis.cache.RedisCache", "redis://localhost:{port}", True),
        ("django_redis.cache.RedisCache", ["redis://localhost:{port}/1"], False),
        ("django.core.cache.backends.redis.RedisCache", "redis://[::1],redis://{host}", True),
        ("django.core.cache.backends.redis.RedisCache", "redis://{host}?db=2", False),
        ("django.core.cache.backends.locmem.LocMemCache", "redis", False),
    ],
)
def test_another_alias_whose_clear_empties_the_database_is_an_error(
    findings: Examine,
    own_redis: redis.Redis,
    settings: Any,
    backend: str,
    location: Any,
    is_shared: bool,
) -> None:
    use(settings, url_of(own_redis))
    port = own_redis.connection_pool.connection_kwargs["port"]
    urls = [location] if isinstance(location, str) else location
    urls = [url.format(port=port, host=f"127.0.0.1:{port}") for url in urls]
    other = {"BACKEND": backend, "LOCATION": urls[0] if isinstance(location, str) else urls}
    settings.CACHES = {**settings.CACHES, "pages": other}
    finding = findings()["shared"]
    assert finding.value == (["pages"] if is_shared else [])
    assert finding.check == ("jti_replay.E025" if is_shared else "")


def test_keys_of_others_are_warned_of(
    findings: Examine, own_redis: redis.Redis, settings: Any
) -> None:
    own_redis.set(b"\xff session", "x")
    cache = use(
        settings,
        url_of(own_redis),
        options={"CONNECTION_POOL_KWARGS": {"decode_responses": True}},
    )
    assert cache.reserve("a")
    found = findings()
    assert (found["entries"].value, found["other-keys"].value) == (1, 1)
    assert problems(found)["other-keys"] == "W014"


def test_those_of_a_small_database_are_counted_one_by_one(
    findings: Examine, own_redis: redis.Redis, settings: Any
) -> None:
    own_redis.mset({f"jti:{number}": "" for number in range(2_500)})
    own_redis.mset({f"session:{number}": "" for number in range(100)})
    use(settings, url_of(own_redis))
    found = findings()
    assert (found["entries"].value, found["other-keys"].value) == (2_500, 100)


@pytest.mark.parametrize(("others", "expected"), [(0, 300), (300, None)])
def test_entries_are_counted_as_far_as_it_is_cheap(
    findings: Examine,
    own_redis: redis.Redis,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    others: int,
    expected: int | None,
) -> None:
    monkeypatch.setattr(redis_entries, "MOST_KEYS", 100)
    monkeypatch.setattr(redis_entries, "BATCH", 50)
    own_redis.mset({f"jti:{number}": "" for number in range(300)})
    if others:
        own_redis.mset({f"session:{number}": "" for number in range(others)})
    use(settings, url_of(own_redis))
    assert findings()["entries"].value == expected


def test_a_server_that_is_down_is_an_error_and_nothing_else(
    findings: Examine, settings: Any
) -> None:
    use(settings, f"redis://127.0.0.1:{free_port()}/0")
    assert problems(findings()) == {"reachable": "E020"}


def test_a_server_that_does_not_answer_is_one_in_time(
    findings: Examine, own_redis: redis.Redis, settings: Any
) -> None:
    use(settings, url_of(own_redis), OPTIONS={"timeout": 0.2})
    own_redis.execute_command("CLIENT", "PAUSE", "1000", "ALL")
    with takes_at_most(0.4):
        assert problems(findings()) == {"reachable": "E020"}


def test_what_an_acl_forbids_is_said_to_be(
    findings: Examine, own_redis: redis.Redis, settings: Any
) -> None:
    own_redis.acl_setuser(
        "app",
        enabled=True,
        passwords=["+secret"],
        keys=["jti:*"],
        commands=["+set", "+get", "+del", "+eval", "+evalsha"],
    )
    use(settings, url_of(own_redis).replace("//", "//app:secret@"))
    found = findings()
    assert set(problems(found).values()) == {"W015"}
    assert found["writes"].level == "ok"
    assert {"latency", "server", "persistence", "entries"} <= set(problems(found))
    assert "secret" not in repr(found)


def test_several_servers_are_told_apart(
    findings: Examine, own_redis: redis.Redis, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = [("[::1]:7000", own_redis), ("[::1]:7001", own_redis)]
    monkeypatch.setattr(RedisClients, "servers", lambda clients, call: two)
    cache = use(settings, url_of(own_redis))
    found = [finding for finding in cache.diagnose() if finding.key == "role"]
    assert [finding.text for finding in found] == [
        "[::1]:7000: It is the primary.",
        "[::1]:7001: It is the primary.",
    ]


def test_each_primary_of_a_cluster_is_asked(
    findings: Examine, use_cluster: UseRedis, cluster: Cluster
) -> None:
    cache = use_cluster(OPTIONS={"timeout": 5})
    assert cache.reserve("a")
    found = findings()
    assert problems(found) == {"persistence": "W011"}
    assert found["role"].text.startswith("127.0.0.1:")
    roles = [finding for finding in cache.diagnose() if finding.key == "role"]
    assert len(roles) == 3
