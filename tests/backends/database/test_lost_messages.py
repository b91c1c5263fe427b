"""A reply that is lost never turns one's own success into "seen"."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections, transaction

from jti_replay import CacheError, replay_cache
from jti_replay.backends import lost_replies
from jti_replay.backends.lost_replies import LostReplies
from tests.backends.database.conftest import UseCache
from tests.backends.database.rival import LIMIT
from tests.servers.lossy_proxy import LossyProxy

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

EACH = pytest.mark.parametrize("server", ["postgres", "mariadb"], indirect=True)
LOSSES = pytest.mark.parametrize("loss", ["cut request", "cut reply"])


def reserves(message: bytes) -> bool:
    return b"INSERT INTO" in message


def releases(message: bytes) -> bool:
    return b"DELETE" in message


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_taking_back() -> bool:
    return any(each.name == "jti_replay.lost_replies" for each in threading.enumerate())


@pytest.fixture(params=[True, False], ids=["join", "alone"])
def proxy(
    request: pytest.FixtureRequest, server: str, use_cache: UseCache
) -> Iterator[LossyProxy]:
    """A proxy in front of a database, through which the cache uses it."""
    use_cache(server, join=request.param)
    connection = connections[server]
    connection.close()
    port = connection.settings_dict["PORT"]
    with LossyProxy(port) as proxy:
        connection.settings_dict["PORT"] = proxy.port
        yield proxy
        connection.close()
        replay_cache.close()
        connection.settings_dict["PORT"] = port


@EACH
@LOSSES
def test_one_lost_message_is_made_good(proxy: LossyProxy, loss: str) -> None:
    assert replay_cache.reserve("to connect")
    proxy.lose(loss, among=reserves)
    assert replay_cache.reserve("a")
    assert proxy.lost == 1
    assert replay_cache.reserve("a") is None


@EACH
def test_a_replay_stays_one_when_its_reply_is_lost(proxy: LossyProxy) -> None:
    assert replay_cache.reserve("a")
    proxy.lose("cut reply", among=reserves)
    assert replay_cache.reserve("a") is None
    assert proxy.lost == 1


@EACH
def test_a_release_is_sent_once(proxy: LossyProxy) -> None:
    """A second one could free what another has reserved in between."""
    reservation = replay_cache.reserve("a")
    assert reservation
    for release in (reservation.release, lambda: replay_cache.release("a")):
        proxy.lose("cut reply", None, among=releases)
        with pytest.raises(CacheError):
            release()
        assert (proxy.lost, len(proxy.requests)) == (1, 1)
    assert replay_cache.reserve("a")


@EACH
def test_if_all_are_lost_it_is_an_error(proxy: LossyProxy) -> None:
    proxy.lose_all("cut request")
    with pytest.raises(CacheError):
        replay_cache.reserve("a")
    proxy.lose_all("cut request", among=reserves)
    with pytest.raises(CacheError):
        replay_cache.reserve("a")
    proxy.lose()
    assert replay_cache.reserve("a")


@EACH
def test_what_was_lost_is_taken_back_when_the_database_answers(proxy: LossyProxy) -> None:
    """Both attempts were carried out; their caller knows of neither."""
    assert replay_cache.reserve("to connect")
    proxy.lose_all("cut reply", among=reserves)
    with pytest.raises(CacheError):
        replay_cache.reserve("a")
    assert proxy.lost == 2
    proxy.lose_all("cut request")
    time.sleep(0.2)
    proxy.lose()
    wait_until(lambda: replay_cache.reserve("a"))
    wait_until(lambda: not is_taking_back())


@EACH
@LOSSES
@pytest.mark.parametrize("proxy", [True], ids=["join"], indirect=True)
def test_in_a_transaction_the_loss_takes_all_with_it(
    server: str, proxy: LossyProxy, loss: str
) -> None:
    with transaction.atomic(server):
        assert replay_cache.reserve("b")
        proxy.lose(loss, among=reserves)
        with pytest.raises(CacheError):
            replay_cache.reserve("a")
    connections[server].close()
    assert replay_cache.reserve("a")
    assert replay_cache.reserve("b")


@pytest.mark.parametrize("server", ["default", "memory", "postgres", "mariadb"], indirect=True)
@pytest.mark.parametrize("join", [True, False])
def test_an_interrupted_reserve_leaves_nothing(
    server: str, use_cache: UseCache, join: bool
) -> None:
    cache = use_cache(server, join=join or server == "memory")
    with interrupted(cache, server):
        replay_cache.reserve("a")
    wait_until(lambda: replay_cache.reserve("a"))


@pytest.mark.parametrize("server", ["default", "postgres", "mariadb"], indirect=True)
def test_an_interrupted_reserve_cannot_be_committed(server: str, use_cache: UseCache) -> None:
    cache = use_cache(server)
    with transaction.atomic(server):
        with interrupted(cache, server):
            replay_cache.reserve("a")
        assert connections[server].needs_rollback
    assert replay_cache.reserve("a")


@contextmanager
def interrupted(cache: Any, alias: str) -> Iterator[None]:
    """Let a signal handler raise when the statement of a reserve has been carried out."""
    statements = cache._table.statements(connections[alias])
    reserve = statements.execute_reserve

    def interrupt(*args: Any, **kwargs: Any) -> Any:
        reserve(*args, **kwargs)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statements, "execute_reserve", interrupt)
        with pytest.raises(KeyboardInterrupt):
            yield


class Store:
    """What is released, and when it does not answer."""

    def __init__(self) -> None:
        self.released: list[Any] = []
        self.is_down = False

    def release(self, batch: Any) -> None:
        if self.is_down:
            raise CacheError("down")
        self.released.extend(lost.owner for lost in batch)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_replies, "SECOND_PASS_DELAY", 0.05)


def test_a_lost_reply_is_released_twice_and_then_forgotten(quick: None) -> None:
    """In between, the store may carry out what it found in its buffers."""
    store = Store()
    lost = LostReplies(store.release)
    store.is_down = True
    for owner in (1, 2):
        lost.add(b"digest", owner, time.time() + 60)
    lost.add(b"digest", 3, time.time() - 1)
    time.sleep(0.2)
    assert (store.released, is_taking_back()) == ([], True)
    store.is_down = False
    wait_until(lambda: not is_taking_back())
    assert sorted(store.released) == [1, 1, 2, 2]
    lost.add(b"digest", 4, time.time() + 60)
    wait_until(lambda: not is_taking_back())
    assert store.released[-2:] == [4, 4]


def test_only_so_many_lost_replies_are_remembered(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_replies, "ROOM", 2)
    store = Store()
    lost = LostReplies(store.release)
    store.is_down = True
    for owner in range(4):
        lost.add(b"digest", owner, time.time() + 60)
    store.is_down = False
    wait_until(lambda: not is_taking_back())
    assert sorted(store.released) == [0, 0, 1, 1]


def test_a_child_takes_back_what_it_loses_itself(quick: None) -> None:
    """Its parent's thread does not run in it, and may have held the lock."""
    store = Store()
    lost = LostReplies(store.release)
    store.is_down = True
    lost.add(b"digest", 1, time.time() + 60)
    with lost._lock:
        pid = os.fork()
    if not pid:
        store.is_down = False
        lost.add(b"digest", 2, time.time() + 60)
        deadline = time.monotonic() + LIMIT
        while len(store.released) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        os._exit(store.released != [2, 2])
    store.is_down = False
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    wait_until(lambda: not is_taking_back())
    assert store.released == [1, 1]
