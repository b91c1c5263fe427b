"""A Redis that wants TLS, a client certificate, or a user who may do only what is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from jti_replay import CacheError, ColdStart, Reservation
from jti_replay.backends.base import BaseReplayCache
from tests.backends.conftest import Call, UseRedis
from tests.backends.redis.certificates import write_certificates
from tests.servers import free_port, missing
from tests.servers.redis import RedisProcess, redis_executables

DOCS = Path(__file__).parents[3] / "docs" / "how-to"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("certificates")
    write_certificates(folder)
    return folder


@pytest.fixture(scope="module")
def tls_port(certificates: Path) -> Iterator[int]:
    """A Redis that speaks TLS, and wants a certificate of its clients, too."""
    port = free_port()
    options = [
        *("--tls-port", str(port)),
        *("--tls-ca-cert-file", str(certificates / "ca.pem")),
        *("--tls-cert-file", str(certificates / "server.pem")),
        *("--tls-key-file", str(certificates / "server.key")),
    ]
    for executable in redis_executables():
        process = RedisProcess(executable, *options)
        try:
            process.start()
        except RuntimeError:
            continue  # It was built without TLS.
        yield port
        process.stop()
        return
    missing("redis-server or valkey-server with TLS on PATH")


def use_works(call: Call, cache: BaseReplayCache) -> None:
    reservation = call(cache, "reserve", "a")
    assert isinstance(reservation, Reservation)
    assert call(cache, "reserve", "a") is None
    assert call(reservation, "release") is True
    assert call(cache, "release", "a") is False


def test_a_server_with_tls_is_used(
    call: Call, use_redis: UseRedis, tls_port: int, certificates: Path
) -> None:
    cache = use_redis(
        f"rediss://127.0.0.1:{tls_port}/0",
        {
            "CONNECTION_POOL_KWARGS": {
                "ssl_ca_certs": str(certificates / "ca.pem"),
                "ssl_certfile": str(certificates / "client.pem"),
                "ssl_keyfile": str(certificates / "client.key"),
            }
        },
    )
    use_works(call, cache)


def test_a_server_that_no_authority_vouches_for_is_an_error(
    call: Call, use_redis: UseRedis, tls_port: int, certificates: Path
) -> None:
    cache = use_redis(
        f"rediss://127.0.0.1:{tls_port}/0",
        {
            "CONNECTION_POOL_KWARGS": {
                "ssl_certfile": str(certificates / "client.pem"),
                "ssl_keyfile": str(certificates / "client.key"),
            }
        },
    )
    with pytest.raises(CacheError, match="CERTIFICATE_VERIFY_FAILED"):
        call(cache, "reserve", "a")


def test_a_client_without_a_certificate_is_an_error(
    call: Call, use_redis: UseRedis, tls_port: int, certificates: Path
) -> None:
    pool_kwargs = {"ssl_ca_certs": str(certificates / "ca.pem")}
    cache = use_redis(
        f"rediss://127.0.0.1:{tls_port}/0", {"CONNECTION_POOL_KWARGS": pool_kwargs}
    )
    with pytest.raises(CacheError) as caught:
        call(cache, "reserve", "a")
    assert isinstance(caught.value.__cause__, redis.ConnectionError)


def rules() -> dict[str, str]:
    """Return the ACL rules that the docs show, by the name of their user."""
    text = (DOCS / "redis.md").read_text()
    return dict(re.findall(r"^ACL SETUSER (\S+) (.*)$", text, re.MULTILINE))


def test_a_user_may_do_what_is_needed_and_no_more(
    call: Call, use_redis: UseRedis, redis_of_ones_own: RedisProcess
) -> None:
    with redis_of_ones_own.client() as admin:
        admin.execute_command("ACL SETUSER", "jti", *rules()["jti"].split())
        url = redis_of_ones_own.url.replace("//", "//jti:a-long-secret@")
        use_works(call, use_redis(url))
        cache = use_redis(url, COLD_START="refuse", OPTIONS={"replicas": 1})
        with pytest.raises(ColdStart):
            call(cache, "reserve", "b", usable_since=0)
        since = call(cache, "start_memory")
        with pytest.raises(CacheError, match="0 of 1 replicas"):
            call(cache, "reserve", "b", usable_since=since)
        assert admin.keys() == [b"jti:since"]
    with redis.Redis.from_url(url) as user:
        for command in ("FLUSHALL", "KEYS *", "GET other", "CONFIG GET dir", "SCRIPT FLUSH"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                user.execute_command(*command.split())
