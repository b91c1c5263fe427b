"""The aliases of settings.CACHES that a Redis stands behind, whichever backend serves them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import django_redis.pool
import pytest
import redis

from jti_replay import CacheError, replay_cache
from jti_replay.backends.redis import RedisCache
from tests.backends.conftest import Call
from tests.servers.redis import RedisProcess

BACKEND = "jti_replay.backends.redis.RedisCache"
DJANGO = "django.core.cache.backends.redis.RedisCache"
DJANGO_REDIS = "django_redis.cache.RedisCache"


class OwnPool(redis.ConnectionPool):
    """A pool of a project's own."""


class OwnFactory(django_redis.pool.ConnectionFactory):  # type: ignore[type-arg]
    """A connection factory of a project's own."""


def use(settings: Any, alias: dict[str, Any], **params: Any) -> RedisCache:
    settings.CACHES = {"default": alias}
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": BACKEND, **params}}}
    return RedisCache("default", params)


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def once_then_refused(call: Call, name: str) -> bool:
    held = call(replay_cache, "reserve", name)
    return bool(held) and call(replay_cache, "reserve", name) is None and call(held, "release")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"db": 1},
        {"client_name": "site", "serializer": "django.core.cache.backends.redis.Serializer"},
        {"pool_class": redis.BlockingConnectionPool, "max_connections": 2, "timeout": 20},
        {"pool_class": f"{__name__}.OwnPool", "parser_class": "redis.connection.DefaultParser"},
        {"decode_responses": True, "protocol": 3, "health_check_interval": 1},
    ],
    ids=str,
)
def test_djangos_own_backend_serves(
    options: dict[str, Any], call: Call, settings: Any, redis_url: str, server: redis.Redis
) -> None:
    """Its options are arguments of the connections, but for the serializer."""
    settings.DJANGO_REDIS_CONNECTION_FACTORY = "not asked"
    cache = use(settings, {"BACKEND": DJANGO, "LOCATION": redis_url, "OPTIONS": options})
    assert cache.check(app_configs=None) == []
    assert once_then_refused(call, "a")


@pytest.mark.parametrize("as_list", [True, False])
def test_of_several_urls_the_first_is_used(
    as_list: bool, call: Call, settings: Any, redis_url: str, server: redis.Redis
) -> None:
    """The others are replicas, to Django."""
    urls = [redis_url, "redis://host.invalid:6379/0"]
    use(settings, {"BACKEND": DJANGO, "LOCATION": urls if as_list else ";".join(urls)})
    assert once_then_refused(call, "a")


def test_a_password_in_the_options_is_used(
    call: Call, settings: Any, redis_server: str
) -> None:
    """Django passes it to the connections, and so does the replay cache."""
    with RedisProcess(redis_server, "--requirepass", "secret") as process:
        alias = {"BACKEND": DJANGO, "LOCATION": process.url, "OPTIONS": {"password": "secret"}}
        use(settings, alias)
        assert once_then_refused(call, "a")


def test_a_cluster_may_be_behind_it(call: Call, settings: Any, cluster: Any) -> None:
    """The URLs and the options are given to the factory."""
    cluster.flush()
    options = {"client_factory": "redis.cluster.RedisCluster.from_url", "timeout": 5}
    alias = {"BACKEND": DJANGO, "LOCATION": cluster.url, "OPTIONS": {"client_name": "site"}}
    assert use(settings, alias, OPTIONS=options).check(app_configs=None) == []
    assert once_then_refused(call, "a")


@pytest.mark.parametrize(
    "alias",
    [
        {"BACKEND": DJANGO, "OPTIONS": {"pool_class": f"{__name__}.OwnPool"}},
        {"BACKEND": DJANGO_REDIS, "OPTIONS": {"CONNECTION_FACTORY": f"{__name__}.OwnFactory"}},
    ],
    ids=["pool", "factory"],
)
def test_what_is_a_projects_own_runs_in_threads(
    alias: dict[str, Any], settings: Any, redis_url: str, server: redis.Redis
) -> None:
    """A task that is cancelled meanwhile leaves nothing behind."""
    cache = use(settings, {**alias, "LOCATION": redis_url}, OPTIONS={"timeout": 5})
    assert not cache.connector.is_asyncio_ready

    async def main() -> None:
        assert await replay_cache.areserve("warm")
        assert await replay_cache.arelease("warm") is True
        server.client_pause(300)
        task = asyncio.create_task(replay_cache.areserve("a"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(wait_until, lambda: replay_cache.reserve("a"))

    asyncio.run(asyncio.wait_for(main(), 20))


def test_django_redis_need_not_be_installed(redis_url: str) -> None:
    """Nothing imports it for an alias of Django's own backend."""
    code = f"""
import sys
sys.modules["django_redis"] = None
import django
from django.conf import settings
settings.configure(
    CACHES={{"default": {{"BACKEND": "{DJANGO}", "LOCATION": "{redis_url}"}}}},
    JTI_REPLAY={{"CACHES": {{"default": {{"BACKEND": "{BACKEND}"}}}}}},
    INSTALLED_APPS=["jti_replay"],
)
django.setup()
from django.core.management import call_command
from jti_replay import CacheError, replay_cache
call_command("check")
assert replay_cache.reserve("without", 1)
assert replay_cache.release("without")
settings.CACHES["default"]["BACKEND"] = "django.core.cache.backends.locmem.LocMemCache"
[error] = replay_cache.check()
assert error.id == "jti_replay.E005", error
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr


def test_an_alias_without_django_redis_may_serve_no_redis(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is refused, and not taken for one of django-redis."""
    monkeypatch.setitem(sys.modules, "django_redis.cache", None)
    backend = "django.core.cache.backends.locmem.LocMemCache"
    [error] = use(settings, {"BACKEND": backend}).check()
    assert error.id == "jti_replay.E005"


@pytest.mark.parametrize(
    "alias",
    [
        {"OPTIONS": {"CLIENT_CLASS": "django_redis.client.ShardClient"}},
        {"OPTIONS": {"CLIENT_CLASS": "django_redis.client.SentinelClient"}},
        {"OPTIONS": {"CLIENT_CLASS": "no.such.Client"}},
        {"OPTIONS": {"CONNECTION_FACTORY": "no.such.Factory"}},
        {"OPTIONS": {"CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory"}},
        {"OPTIONS": {"CONNECTION_POOL_CLASS": "no.such.Pool"}},
        {"OPTIONS": {"CONNECTION_POOL_KWARGS": {"no_such_argument": 1}}},
        {"OPTIONS": {"REDIS_CLIENT_CLASS": "builtins.dict"}},
        {"OPTIONS": {"SOCKET_TIMEOUT": "1"}},
        {"OPTIONS": {"SERIALIZER": "no.such.Serializer"}},
        {"LOCATION": "memcached://127.0.0.1"},
        {"LOCATION": "redis://:s3cret/word@127.0.0.1"},
        {"LOCATION": ""},
        {"BACKEND": DJANGO, "LOCATION": "127.0.0.1:6379"},
        {"BACKEND": DJANGO, "OPTIONS": {"no_such_argument": 1}},
        {"BACKEND": DJANGO, "OPTIONS": {"pool_class": "no.such.Pool"}},
    ],
    ids=str,
)
def test_settings_that_cannot_connect_are_refused(alias: dict[str, Any], settings: Any) -> None:
    """The check makes what a request would make, and says what is wrong with it."""
    base = {"BACKEND": DJANGO_REDIS, "LOCATION": ["redis://h/0", "redis://h/1"]}
    cache = use(settings, {**base, **alias}, OPTIONS={"replicas": 1, "timeout": 1})
    [error] = cache.check(app_configs=None)
    assert error.id == "jti_replay.E036"
    assert error.hint
    assert "'default'" in error.msg
    assert "s3cret" not in error.msg
    assert cache.check() == []  # A request does not wait for it, and finds out by itself.
    with pytest.raises(CacheError):
        replay_cache.reserve("a")


def test_a_cluster_whose_url_cannot_be_read_is_refused(settings: Any) -> None:
    """It is read without asking a node."""
    options = {"client_factory": "redis.cluster.RedisCluster.from_url"}
    [error] = use(
        settings, {"BACKEND": DJANGO, "LOCATION": "host:6379"}, OPTIONS=options
    ).check(app_configs=None)
    assert error.id == "jti_replay.E036"


def test_a_client_that_cannot_be_made_is_a_failure(settings: Any, call: Call) -> None:
    """To make one runs code and reads files of others, which may work again."""
    alias = {
        "BACKEND": DJANGO_REDIS,
        "LOCATION": ["redis://h/0", "redis://h/1"],
        "OPTIONS": {"CLIENT_CLASS": "django_redis.client.ShardClient"},
    }
    use(settings, alias)
    with pytest.raises(CacheError, match="NotImplementedError"):
        call(replay_cache, "reserve", "a")


def test_the_first_request_imports_no_client_library() -> None:
    """No time limit would bound that, so it is done when Django starts."""
    code = f"""
import sys
import django
from django.conf import settings
caches = {{"default": {{"BACKEND": "{BACKEND}"}}, "wrong": {{"BACKEND": "no.such"}}, "": 7}}
settings.configure(JTI_REPLAY={{"CACHES": caches}}, INSTALLED_APPS=["jti_replay"])
django.setup()
assert "redis.asyncio" in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
