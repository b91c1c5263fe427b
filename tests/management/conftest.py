from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command

from jti_replay import replay_caches
from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.findings import Finding
from jti_replay.doctor.examination import examine
from tests.servers.redis import RedisProcess

REDIS = "jti_replay.backends.redis.RedisCache"
DATABASE = "jti_replay.backends.database.DatabaseCache"

Run = Callable[..., str]
Manage = Callable[..., subprocess.CompletedProcess[str]]
Examine = Callable[..., dict[str, Finding]]


@pytest.fixture
def run() -> Run:
    """Give a function that runs a subcommand, and returns what it writes to stdout."""

    def run(*arguments: str) -> str:
        stdout = io.StringIO()
        run.stdout = stdout  # type: ignore[attr-defined]
        call_command("jti_replay", *arguments, stdout=stdout, no_color=True)
        return stdout.getvalue()

    return run


@pytest.fixture
def run_json(run: Run) -> Callable[..., Any]:
    """Give a function that runs a subcommand, and returns the document that it writes."""
    return lambda *arguments: json.loads(run(*arguments, "--json"))


@pytest.fixture
def findings() -> Examine:
    """Give a function that returns what the doctor says of a cache, by key."""

    def findings(alias: str = "default") -> dict[str, Finding]:
        [found] = examine([replay_caches[alias]]).values()
        return {finding.key: finding for finding in found}

    return findings


@pytest.fixture
def own_redis(redis_server: str, tmp_path: Path) -> Iterator[redis.Redis]:
    """A client of a Redis of one's own, which may be configured."""
    with (
        RedisProcess(redis_server, "--dir", str(tmp_path)) as process,
        redis.Redis(port=process.port) as client,
    ):
        yield client


def url_of(client: redis.Redis, database: int = 0) -> str:
    return f"redis://127.0.0.1:{client.connection_pool.connection_kwargs['port']}/{database}"


def use(settings: Any, url: str, *, options: Any = None, **params: Any) -> BaseReplayCache:
    """Let the default cache be the Redis at an URL, under the alias "replay"."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "replay": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": url,
            "OPTIONS": options or {},
        },
    }
    settings.JTI_REPLAY = {
        "CACHES": {"default": {"BACKEND": REDIS, "LOCATION": "replay", **params}}
    }
    return replay_caches["default"]
