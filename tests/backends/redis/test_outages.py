"""A Redis that is down, refuses or has no room is an error, never an answer."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from redis import exceptions

from jti_replay import CacheError, CacheFull, Reservation
from jti_replay.backends.redis.options import RedisOptions
from jti_replay.decorators import reserve_jti
from jti_replay.signals import cache_failed
from tests.backends.conftest import Call, UseRedis
from tests.servers import free_port
from tests.servers.redis import RedisProcess
from tests.stopwatch import SLACK, takes_at_most
from tests.tokens.tokens import PROFILE, bearer, signed

JTI = "a jti that nobody may read"

DOWN = "redis://127.0.0.1:{port}/0"


def failure(
    caplog: pytest.LogCaptureFixture, call: Call, owner: Any, name: str, *args: Any
) -> CacheError:
    """Make a call that must fail, and prove that it is told. Return its error."""
    told: list[dict[str, Any]] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs)

    cache_failed.connect(receiver)
    caplog.clear()
    try:
        with pytest.raises(CacheError) as caught:
            call(owner, name, *args)
    finally:
        cache_failed.disconnect(receiver)
    error = caught.value
    assert not isinstance(error, CacheFull)
    assert isinstance(error.__cause__, redis.RedisError)
    assert [kwargs["error"] for kwargs in told] == [error]
    assert told[0]["alias"] == "default"
    [record] = [record for record in caplog.records if record.name == "jti_replay"]
    assert record.levelno == logging.ERROR
    assert JTI not in caplog.text
    assert JTI not in repr(told[0]["error"])
    return error


@pytest.mark.parametrize("name", ["reserve", "release"])
@pytest.mark.parametrize("options", [{}, {"IGNORE_EXCEPTIONS": True}], ids=str)
def test_a_server_that_is_down_is_an_error(
    name: str,
    options: dict[str, Any],
    call: Call,
    use_redis: UseRedis,
    caplog: pytest.LogCaptureFixture,
    settings: Any,
) -> None:
    settings.DJANGO_REDIS_IGNORE_EXCEPTIONS = bool(options)
    cache = use_redis(DOWN.format(port=free_port()), options)
    error = failure(caplog, call, cache, name, JTI)
    assert isinstance(error.__cause__, exceptions.ConnectionError)


def test_a_host_that_does_not_exist_is_an_error(
    call: Call, use_redis: UseRedis, caplog: pytest.LogCaptureFixture
) -> None:
    failure(caplog, call, use_redis("redis://host.invalid:6379/0"), "reserve", JTI)


def test_what_does_not_speak_redis_is_an_error(
    call: Call, use_redis: UseRedis, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache = use_redis(DOWN.format(port=silent.getsockname()[1]), OPTIONS={"timeout": 0.2})
        with takes_at_most(0.2):
            failure(caplog, call, cache, "reserve", JTI)


def test_a_wrong_password_is_an_error(
    call: Call, use_redis: UseRedis, redis_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    with RedisProcess(redis_server, "--requirepass", "right") as process:
        location = process.url.replace("//", "//:wrong-secret@")
        error = failure(caplog, call, use_redis(location), "reserve", JTI)
        assert isinstance(error.__cause__, exceptions.AuthenticationError)
        assert "wrong-secret" not in caplog.text
        failure(caplog, call, use_redis(process.url), "reserve", JTI)
        assert call(use_redis(process.url, {"PASSWORD": "right"}), "reserve", JTI)
        assert call(use_redis(location.replace("wrong-secret", "right")), "release", JTI)


def test_a_user_who_may_not_write_is_an_error(
    call: Call,
    use_redis: UseRedis,
    redis_of_ones_own: RedisProcess,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with redis.Redis(port=redis_of_ones_own.port) as admin:
        admin.execute_command("ACL SETUSER reader on >pass ~* &* +@all -set -del")
    cache = use_redis(redis_of_ones_own.url.replace("//", "//reader:pass@"))
    failure(caplog, call, cache, "reserve", JTI)
    failure(caplog, call, cache, "release", JTI)


def test_a_replica_that_is_read_only_is_an_error(
    call: Call,
    use_redis: UseRedis,
    redis_of_ones_own: RedisProcess,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with redis.Redis(port=redis_of_ones_own.port) as admin:
        cache = use_redis(redis_of_ones_own.url)
        reservation = call(cache, "reserve", "held")
        admin.replicaof("127.0.0.1", free_port())
        failure(caplog, call, cache, "reserve", JTI)
        admin.replicaof("NO", "ONE")
        assert call(cache, "reserve", JTI)
        assert isinstance(reservation, Reservation)


def test_a_server_with_no_memory_left_is_an_error_and_forgets_nothing(
    call: Call,
    use_redis: UseRedis,
    redis_of_ones_own: RedisProcess,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with redis.Redis(port=redis_of_ones_own.port) as admin:
        cache = use_redis(redis_of_ones_own.url)
        held = call(cache, "reserve", "held")
        admin.config_set("maxmemory", "1")
        failure(caplog, call, cache, "reserve", JTI)
        admin.config_set("maxmemory", "0")
        assert call(cache, "reserve", "held") is None
        assert call(cache, "reserve", JTI)
        assert call(held, "release") is True


def test_a_key_of_another_type_is_an_error(
    call: Call,
    use_redis: UseRedis,
    redis_url: str,
    server: redis.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is neither new nor seen: somebody else writes to this server."""
    cache = use_redis(redis_url)
    reservation = call(cache, "reserve", JTI)
    [key] = server.keys()
    server.delete(key)
    server.lpush(key, "?")
    failure(caplog, call, cache, "reserve", JTI)
    failure(caplog, call, reservation, "release")


def test_it_works_again_as_soon_as_the_server_is_back(
    call: Call,
    use_redis: UseRedis,
    redis_of_ones_own: RedisProcess,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = use_redis(redis_of_ones_own.url)
    reservation = call(cache, "reserve", JTI)
    for _ in range(2):
        redis_of_ones_own.stop()
        failure(caplog, call, cache, "reserve", JTI)
        failure(caplog, call, reservation, "release")
        redis_of_ones_own.start()
        assert call(cache, "reserve", JTI)
        assert call(cache, "reserve", JTI) is None


def test_a_restart_between_two_calls_is_not_even_noticed(
    call: Call, use_redis: UseRedis, redis_of_ones_own: RedisProcess
) -> None:
    """The connections of the pool are dead then, and the script is forgotten."""
    cache = use_redis(redis_of_ones_own.url)
    assert call(cache, "reserve", JTI)
    redis_of_ones_own.stop()
    redis_of_ones_own.start()
    assert call(cache, "reserve", JTI)


def test_connections_that_the_server_closes_are_not_even_noticed(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(redis_url)
    assert call(cache, "reserve", "a")
    server.client_kill_filter(_type="normal", skipme=True)
    assert call(cache, "reserve", "a") is None
    server.client_kill_filter(_type="normal", skipme=True)
    assert call(cache, "release", "a") is True


def test_a_server_that_was_paused_for_a_moment_wins_in_the_end(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    """Both attempts arrive, and the second one knows the first one for its own."""
    cache = use_redis(redis_url, OPTIONS={"timeout": 2})
    call(cache, "reserve", "warm")
    server.client_pause(1400)
    reservation = call(cache, "reserve", "a")
    assert isinstance(reservation, Reservation)
    assert call(cache, "reserve", "a") is None
    assert call(reservation, "release") is True


def test_a_close_forgets_nothing_and_the_next_call_connects_again(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(f"{redis_url}?client_name=closing")
    reservation = call(cache, "reserve", "a")
    assert names_of_clients(server).count("closing") == 1
    call(cache, "close")
    deadline = time.monotonic() + 5
    while "closing" in names_of_clients(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "closing" not in names_of_clients(server)
    assert call(cache, "reserve", "a") is None
    assert call(reservation, "release") is True


def test_to_close_what_was_never_used_is_no_error(
    call: Call, use_redis: UseRedis, redis_url: str, server: redis.Redis
) -> None:
    cache = use_redis(redis_url)
    call(cache, "close")
    assert call(cache, "reserve", "a")
    call(cache, "close")
    call(cache, "close")


def names_of_clients(server: redis.Redis) -> list[str]:
    return [client["name"] for client in server.client_list()]


def test_threads_that_wait_for_a_connection_wait_no_longer_than_others(
    use_redis: UseRedis, redis_of_ones_own: RedisProcess
) -> None:
    """However long the pool would let them wait."""
    pool_kwargs = {"max_connections": 2, "timeout": 20}
    pool = {"CONNECTION_POOL_CLASS": "redis.BlockingConnectionPool"}
    cache = use_redis(
        redis_of_ones_own.url,
        {**pool, "CONNECTION_POOL_KWARGS": pool_kwargs},
        OPTIONS={"timeout": 0.8},
    )
    assert cache.reserve("warm")
    redis_of_ones_own.pause()
    with takes_at_most(0.8), ThreadPoolExecutor(12) as executor:
        calls = [executor.submit(cache.reserve, JTI) for _ in range(12)]
        assert {type(call.exception()) for call in calls} == {CacheError}
    redis_of_ones_own.resume()
    assert cache.release("warm") is True


def test_tasks_that_wait_for_a_connection_wait_no_longer_than_others(
    use_redis: UseRedis, redis_of_ones_own: RedisProcess
) -> None:
    pool_kwargs = {"CONNECTION_POOL_KWARGS": {"max_connections": 3}}
    cache = use_redis(redis_of_ones_own.url, pool_kwargs, OPTIONS={"timeout": 0.8})

    async def work() -> None:
        assert await cache.areserve("warm")
        redis_of_ones_own.pause()
        calls = [cache.areserve(JTI) for _ in range(12)]
        with takes_at_most(0.8):
            failures = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(failure) for failure in failures} == {CacheError}
        redis_of_ones_own.resume()
        assert await cache.arelease("warm") is True

    asyncio.run(work())


@reserve_jti(atomic=False)
def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


@reserve_jti
async def async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


@pytest.mark.parametrize("state", ["paused", "stopped"])
@pytest.mark.parametrize("under_test", [view, async_view], ids=["sync", "async"])
def test_by_default_a_request_is_answered_within_a_second(
    under_test: Any,
    state: str,
    use_redis: UseRedis,
    redis_of_ones_own: RedisProcess,
    settings: Any,
) -> None:
    """And the next one works again as soon as the server does."""
    use_redis(redis_of_ones_own.url, OPTIONS={"timeout": RedisOptions().timeout})
    settings.JTI_REPLAY["PROFILES"] = {"default": PROFILE}
    settings.ROOT_URLCONF = (path("", under_test),)

    def send(jti: str) -> int:
        return Client().get("/", headers=bearer(signed(jti=jti))).status_code

    assert send("warm") == 200
    redis_of_ones_own.pause() if state == "paused" else redis_of_ones_own.stop()
    with takes_at_most(1 - SLACK):
        assert send("a") == 503
    redis_of_ones_own.resume() if state == "paused" else redis_of_ones_own.start()
    assert send("b") == 200
