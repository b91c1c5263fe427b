from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connections
from django.db.models.signals import post_migrate

from jti_replay import replay_cache, signals
from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.redis.options import RedisOptions
from tests import standstill
from tests.backends.waiting import PATIENT
from tests.servers import missing, postgresql
from tests.servers.cluster import Cluster, running_cluster
from tests.servers.redis import MISSING, RedisProcess, redis_executable

# Coverage measures the processes of pytest-xdist, and not those that a test starts.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)

# In debug mode asyncio warns of each step that took long. Of a busy machine that tells nothing.
logging.getLogger("asyncio").addFilter(
    lambda record: not str(record.msg).startswith("Executing ")
)


# Whatever a machine that stands still makes fail runs again.
pytest_runtest_setup = pytest.hookimpl(wrapper=True)(standstill.judge)
pytest_runtest_call = pytest.hookimpl(wrapper=True)(standstill.judge)
pytest_configure = pytest.hookimpl(trylast=True)(standstill.talk_without_delay)

SIGNALS = (
    signals.jti_reserved,
    signals.jti_replayed,
    signals.jti_released,
    signals.cache_failed,
    signals.transaction_rolled_back,
)


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Let no test find receivers, or a silent log, that another one has left."""
    logger = logging.getLogger("jti_replay")
    logger.disabled, logger.propagate = False, True
    logger.setLevel(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)
    receivers = [list(signal.receivers) for signal in SIGNALS]
    yield
    for signal, before in zip(SIGNALS, receivers, strict=True):
        with signal.lock:
            signal.receivers[:] = before
            signal.sender_receivers_cache.clear()


@pytest.fixture(autouse=True)
def _patient_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let caches wait for Redis for longer than by default, unless a test says otherwise."""
    options_of = RedisOptions.of
    monkeypatch.setattr(RedisOptions, "of", lambda options: options_of(PATIENT | options))


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The program of a Redis or Valkey. Skip without one."""
    executable = redis_executable()
    if executable is None:
        missing(MISSING)
    return executable


@pytest.fixture(scope="session")
def redis_url(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Redis of this test run."""
    folder = tmp_path_factory.mktemp("redis")
    with RedisProcess(redis_server, "--dir", str(folder)) as process:
        yield process.url


@pytest.fixture
def redis_cache_settings(redis_url: str, settings: Any) -> Iterator[None]:
    """Let the Django cache "default" be an empty Redis."""
    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis_url}
    }
    from django_redis import get_redis_connection

    get_redis_connection().flushall()
    yield
    get_redis_connection().flushall()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Put SQLite into a file, and start the PostgreSQL that the settings name."""
    directory: Path = tmp_path_factory.mktemp("sqlite")
    connections["default"].settings_dict["TEST"]["NAME"] = str(directory / "test.sqlite3")
    with postgresql.postgresql_server() as server:
        if server is None:
            del connections.databases["postgres"]
        else:
            connections["postgres"].settings_dict.update(server.reached)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """Leave out what Django would do after each of the thousands of flushes."""
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)
    if "postgres" in connections.databases:
        # To truncate tables of a few rows takes ten times as long.
        operations = connections["postgres"].ops
        operations.sql_flush = lambda style, tables, **options: [
            f"DELETE FROM {operations.quote_name(table)}" for table in tables
        ]


@pytest.fixture
def postgres(transactional_db: None) -> str:
    """The alias of a real PostgreSQL."""
    if "postgres" not in connections.databases:
        missing(postgresql.MISSING)
    return "postgres"


@pytest.fixture
def manage(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a function that runs a command of a site with an SQLite database."""

    def manage(
        setting: Any, *arguments: str, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "site_settings.py").write_text(
            "SECRET_KEY = 'x' * 60\n"
            "INSTALLED_APPS = ['jti_replay']\n"
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3',"
            f" 'NAME': {str(tmp_path / 'site.sqlite3')!r}}}}}\n"
            f"JTI_REPLAY = {setting!r}\n"
        )
        variables = {
            "PYTHONPATH": f"{Path(__file__).parent.parent}{os.pathsep}{tmp_path}",
            "DJANGO_SETTINGS_MODULE": "site_settings",
        }
        return subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=tmp_path,
            env=os.environ | variables,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return manage


@pytest.fixture(scope="session")
def cluster(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Redis Cluster of this test run."""
    with running_cluster(redis_server, tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def use_cluster(settings: Any, cluster: Cluster) -> Callable[..., BaseReplayCache]:
    """Let the default cache be the cluster, which is empty."""
    cluster.flush()

    def use(location: Any = None, **params: Any) -> BaseReplayCache:
        settings.CACHES = {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": location or cluster.url,
            }
        }
        options = {"client_factory": "redis.cluster.RedisCluster.from_url", **PATIENT}
        params["OPTIONS"] = options | params.get("OPTIONS", {})
        backend = "jti_replay.backends.redis.RedisCache"
        settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": backend, **params}}}
        return replay_cache

    return use
