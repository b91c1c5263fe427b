"""The replay cache is down just when a transaction rolls back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from django.db import connections
from django.test import Client

from jti_replay import release_on_rollback, replay_caches
from jti_replay.decorators import reserve_jti
from jti_replay.signals import cache_failed, jti_released, transaction_rolled_back
from tests.rollback.blocks import failing_block
from tests.rollback.signals import connected
from tests.rollback.tokens import PROFILE, bearer, new_token
from tests.servers.redis import RedisProcess

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class WorkFailed(Exception):
    pass


@pytest.fixture
def redis(redis_server: str, tmp_path: Path, settings: Any) -> Iterator[RedisProcess]:
    """A Redis that can be stopped and started again. It keeps its keys in a file."""
    options = ("--dir", str(tmp_path), "--appendonly", "yes", "--appendfsync", "always")
    server = RedisProcess(redis_server, *options)
    server.start()
    location = server.url
    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location}
    }
    settings.JTI_REPLAY = {
        "CACHES": {
            "default": {"BACKEND": "jti_replay.backends.memory.InMemoryCache"},
            "shared": {"BACKEND": "jti_replay.backends.redis.RedisCache"},
        },
        "PROFILES": {"default": PROFILE | {"CACHE": "shared"}},
    }
    yield server
    replay_caches["shared"].close()
    server.stop()


def test_its_jtis_stay_reserved_and_those_of_another_cache_come_back(
    using: str, redis: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    failed, released = [], []

    def failed_receiver(**kwargs: Any) -> None:
        failed.append(kwargs["reservation"].jti)

    def released_receiver(**kwargs: Any) -> None:
        released.append(kwargs["reservation"].jti)

    with (
        connected(cache_failed, failed_receiver),
        connected(jti_released, released_receiver),
        failing_block(using),
    ):
        for number in range(4):
            cache = replay_caches["shared" if number % 2 == 0 else "default"]
            assert release_on_rollback(cache.reserve(str(number)), using)
        redis.stop()
    assert (failed, released) == (["0", "2"], ["1", "3"])
    logged = [record.name for record in caplog.records if "failed to release" in record.message]
    assert logged == ["jti_replay", "jti_replay"]
    assert connections[using].get_autocommit()
    redis.start()
    assert replay_caches["shared"].reserve("0") is None


def test_a_receiver_that_fails_does_not_let_it_be_told_twice(
    using: str, redis: RedisProcess
) -> None:
    """A release is made up for only if it was not tried to its end."""
    failed = []

    def failed_receiver(**kwargs: Any) -> None:
        failed.append(kwargs["reservation"].jti)

    def bad_receiver(**kwargs: Any) -> NoReturn:
        raise WorkFailed

    with (
        connected(cache_failed, failed_receiver),
        connected(transaction_rolled_back, bad_receiver),
        failing_block(using),
    ):
        assert release_on_rollback(replay_caches["shared"].reserve("a"), using)
        redis.stop()
    assert failed == ["a"]


def test_the_view_fails_with_its_own_error(
    using: str, redis: RedisProcess, serve: Callable[[Any], Client]
) -> None:
    @reserve_jti(using=using)
    def view(request: Any) -> NoReturn:
        redis.stop()
        raise WorkFailed

    headers = bearer(new_token())
    response = serve(view).post("/", headers=headers)
    assert response.status_code == 500
    assert isinstance(response.exc_info[1], WorkFailed)
    redis.start()
    assert serve(view).post("/", headers=headers).status_code == 401


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_the_view_that_released_on_error_fails_with_its_own_error(
    is_async: bool,
    redis: RedisProcess,
    serve: Callable[[Any], Client],
    transactional_db: None,
) -> None:
    def fail(request: Any) -> NoReturn:
        redis.stop()
        raise WorkFailed

    async def afail(request: Any) -> NoReturn:
        fail(request)

    view = reserve_jti(atomic=False, release_on_error=True)(afail if is_async else fail)
    headers = bearer(new_token())
    response = serve(view).post("/", headers=headers)
    assert isinstance(response.exc_info[1], WorkFailed)
    redis.start()
    assert serve(view).post("/", headers=headers).status_code == 401


def test_a_bind_that_fails_does_so_with_its_own_error(
    redis: RedisProcess,
    serve: Callable[[Any], Client],
    transactional_db: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from jti_replay.signals import jti_reserved

    def stop(**kwargs: Any) -> None:
        redis.stop()

    @reserve_jti(using="nowhere", atomic=False)
    def view(request: Any) -> NoReturn:
        pytest.fail("the view must not run")

    with connected(jti_reserved, stop):
        response = serve(view).post("/", headers=bearer(new_token()))
    assert response.status_code == 500
    assert "nowhere" in str(response.exc_info[1])
    assert "failed to release" in caplog.text
