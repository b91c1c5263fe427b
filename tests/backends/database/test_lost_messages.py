"""A reply that is lost never turns one's own success into "seen"."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections, transaction

from jti_replay import CacheError, replay_cache
from tests.backends.database.conftest import UseCache
from tests.servers.lossy_proxy import LossyProxy

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

EACH = pytest.mark.parametrize("server", ["postgres", "mariadb"], indirect=True)
LOSSES = pytest.mark.parametrize("loss", ["cut request", "cut reply"])


def reserves(message: bytes) -> bool:
    return b"INSERT INTO" in message


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
