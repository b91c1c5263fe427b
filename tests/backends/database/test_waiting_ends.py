"""The wait for another transaction ends in time, and its failure is a 503."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.http import HttpResponse

from jti_replay import CacheError, replay_cache
from jti_replay.decorators import reserve_jti
from jti_replay.signals import cache_failed
from tests.backends.database.conftest import EACH, UseCache
from tests.backends.database.rival import LIMIT, in_thread, rival
from tests.models import Work
from tests.rollback.signals import connected
from tests.rollback.tokens import ISSUER, PROFILE, bearer, new_token
from tests.stopwatch import takes_at_most

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


# Not forever.


@pytest.fixture
def impatient(server: str, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with a cache that does not wait for long."""
    connections[server].close()
    if server == "default":
        monkeypatch.setitem(connections[server].settings_dict["OPTIONS"], "timeout", 0.2)
    use_cache(server, timeout=0.2)
    return server


@EACH
@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "transaction"])
def test_a_transaction_that_does_not_end_is_given_up(impatient: str, atomic: bool) -> None:
    with rival(impatient, "a"):
        block = transaction.atomic(impatient if atomic else "memory")
        with takes_at_most(2, at_least=0.15), block, pytest.raises(CacheError):
            replay_cache.reserve("a")
    assert replay_cache.reserve("a")


@EACH
@pytest.mark.parametrize("atomic_requests", [False, True])
def test_the_decorator_then_answers_503(
    impatient: str, serve: Any, monkeypatch: pytest.MonkeyPatch, atomic_requests: bool
) -> None:
    settings_dict = connections[impatient].settings_dict
    monkeypatch.setitem(settings_dict, "ATOMIC_REQUESTS", atomic_requests)
    client = serve(reserve_jti(using=impatient)(lambda request: HttpResponse()))
    headers = bearer(new_token(jti="a"))
    with rival(impatient, "a", ISSUER):
        response = client.post("/", headers=headers)
    assert response.status_code == 503
    assert response["Retry-After"]
    assert client.post("/", headers=headers).status_code == 200
    assert client.post("/", headers=headers).status_code == 401


@pytest.mark.parametrize("keeps_jtis", [True, False])
def test_a_transaction_that_cannot_be_opened_is_a_503(
    postgres: str, serve: Any, use_cache: UseCache, settings: Any, keeps_jtis: bool
) -> None:
    use_cache(postgres)
    if not keeps_jtis:
        settings.JTI_REPLAY = {"PROFILES": {"default": PROFILE}}  # It is in memory.
    client = serve(reserve_jti(using=postgres)(lambda request: HttpResponse()))
    headers = bearer(new_token())
    connections[postgres].close()
    told: list[str] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs["alias"])

    with pytest.MonkeyPatch.context() as patch, connected(cache_failed, receiver):
        patch.setitem(connections[postgres].settings_dict, "PORT", 1)
        status_code = client.post("/", headers=headers).status_code
    assert status_code == (503 if keeps_jtis else 500)
    assert told == (["default"] if keeps_jtis else [])
    assert client.post("/", headers=headers).status_code == 200


def test_a_sqlite_that_is_locked_is_a_503(
    transactional_db: None, serve: Any, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections["default"].close()
    options = connections["default"].settings_dict["OPTIONS"]
    monkeypatch.setitem(options, "transaction_mode", "IMMEDIATE")
    monkeypatch.setitem(options, "timeout", 0.2)
    use_cache("default")
    client = serve(reserve_jti(lambda request: HttpResponse()))
    headers = bearer(new_token())
    with rival("default", "another"):
        assert client.post("/", headers=headers).status_code == 503
    assert client.post("/", headers=headers).status_code == 200
    connections["default"].close()


@EACH
def test_of_two_that_cross_at_most_one_gets_both_jtis(
    server: str, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server == "default":
        connections[server].close()
        monkeypatch.setitem(connections[server].settings_dict["OPTIONS"], "timeout", 0.3)
    use_cache(server, timeout=0.3)
    both = threading.Barrier(2)

    def want(jtis: str) -> list[str]:
        got = []
        try:
            with transaction.atomic(server):
                for jti in jtis:
                    if replay_cache.reserve(jti):
                        got.append(jti)
                    with suppress(threading.BrokenBarrierError):
                        both.wait(0.2)  # SQLite lets only one of them come here.
        except CacheError:
            return []
        return got

    with takes_at_most(5), ThreadPoolExecutor(2) as executor:
        pairs = [in_thread(executor, lambda pair=pair: want(pair)) for pair in ("ab", "ba")]
        got = sorted(jti for pair in pairs for jti in pair.result(LIMIT))
    assert len(got) == len(set(got))
    assert sorted(jti for jti in "ab" if replay_cache.reserve(jti) is None) == got


# SQLite.


@pytest.mark.parametrize("mode", ["DEFERRED", "IMMEDIATE"])
def test_a_sqlite_transaction_that_has_read_reserves_in_immediate_mode(
    transactional_db: None, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A deferred one fails if somebody has written since it began to read."""
    connections["default"].close()
    options = connections["default"].settings_dict["OPTIONS"]
    monkeypatch.setitem(options, "transaction_mode", mode)
    monkeypatch.setitem(options, "timeout", 0.2)
    use_cache("default")

    def write() -> None:
        Work.objects.create(name="of somebody else")

    with transaction.atomic(), ThreadPoolExecutor(1) as executor:
        assert Work.objects.count() == 0
        writing = in_thread(executor, write)
        if mode == "DEFERRED":
            writing.result(LIMIT)
            with pytest.raises(CacheError, match="locked"):
                replay_cache.reserve("a")
        else:
            assert isinstance(writing.exception(LIMIT), OperationalError)
            assert replay_cache.reserve("a")
    assert (replay_cache.reserve("a") is None) is (mode == "IMMEDIATE")
    connections["default"].close()
