"""Receivers of a signal do not decide on the transactions that are open when it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from operator import attrgetter
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import Error, connections, transaction
from django.http import HttpResponse
from django.test import Client

from jti_replay import CacheError, release_on_rollback, replay_cache, signals
from jti_replay.decorators import reserve_jti
from tests.models import Work
from tests.rollback.blocks import BlockFailed, failing_block
from tests.rollback.signals import receiving
from tests.rollback.tokens import PROFILE, bearer, new_token

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


TAKEN = "taken"


class ReceiverFailed(Exception):
    pass


# What a receiver may do to doom the transaction that it runs in.


def by_orm(using: str) -> None:
    Work.objects.using(using).create(name=TAKEN)


def by_sql(using: str) -> None:
    connections[using].cursor().execute("SELECT 1 FROM no_such_table")


def by_many(using: str) -> None:
    table = Work._meta.db_table
    connections[using].cursor().executemany(
        f"INSERT INTO {table} (name) VALUES (%s)", [["one"], [TAKEN]]
    )


def by_block(using: str) -> None:
    with transaction.atomic(using, savepoint=False):
        raise BlockFailed


def by_mark(using: str) -> None:
    transaction.set_rollback(True, using=using)


DOOMING = (by_orm, by_sql, by_many, by_block, by_mark)


@pytest.fixture(params=DOOMING, ids=attrgetter("__name__"))
def doom(request: pytest.FixtureRequest, using: str) -> Callable[[str], None]:
    """Something that dooms a transaction, in a database where a row is taken."""
    Work.objects.using(using).create(name=TAKEN)
    doom: Callable[[str], None] = request.param
    return doom


@pytest.mark.parametrize("asks", [False, True], ids=["asks nothing", "asks"])
def test_a_receiver_that_fails_lets_a_token_pass_once(
    using: str, doom: Callable[[str], None], asks: bool, serve: Callable[[Any], Client]
) -> None:
    """One token is accepted once, whatever a receiver does to the transaction."""

    @reserve_jti(using=using)
    def view(request: Any) -> HttpResponse:
        return HttpResponse(Work.objects.using(using).count() if asks else None)

    client, headers = serve(view), bearer(new_token())
    with receiving(signals.jti_reserved, partial(doom, using)):
        assert [client.post("/", headers=headers).status_code for _ in range(3)] == [
            *(200, 401, 401)
        ]


def by_close(using: str) -> None:
    connections[using].close()


def by_rollback(using: str) -> None:
    connections[using].cursor().execute(" rollback work")


def by_commit(using: str) -> None:
    connections[using].cursor().execute("COMMIT")


@pytest.mark.parametrize("end", [by_close, by_rollback, by_commit])
def test_a_receiver_cannot_end_the_transaction(
    using: str, end: Callable[[str], None], serve: Callable[[Any], Client]
) -> None:
    """The view's work is committed once, and later calls end transactions as before."""

    @reserve_jti(using=using)
    def view(request: Any) -> HttpResponse:
        Work.objects.using(using).create(name="work")
        return HttpResponse()

    client, headers = serve(view), bearer(new_token())
    with receiving(signals.jti_reserved, partial(end, using)):
        assert [client.post("/", headers=headers).status_code for _ in range(3)] == [
            *(200, 401, 401)
        ]
    assert Work.objects.using(using).count() == 1
    with failing_block(using):
        Work.objects.using(using).create(name="other")
    assert Work.objects.using(using).count() == 1


def send_reserved() -> None:
    assert replay_cache.reserve("new")


def send_replayed() -> None:
    assert replay_cache.reserve("seen") is None


def send_released() -> None:
    assert replay_cache.release("seen")


def send_failed() -> None:
    with suppress(CacheError):
        replay_cache.reserve("third")


def send_rolled_back() -> None:
    with failing_block(OTHER):
        assert release_on_rollback(replay_cache.reserve("bound"), OTHER)


async def asend_reserved() -> None:
    assert await replay_cache.areserve("new")


async def asend_replayed() -> None:
    assert await replay_cache.areserve("seen") is None


async def asend_released() -> None:
    assert await replay_cache.arelease("seen")


async def asend_failed() -> None:
    with suppress(CacheError):
        await replay_cache.areserve("third")


OTHER = "other"


SENDERS = {
    "jti_reserved": send_reserved,
    "jti_replayed": send_replayed,
    "jti_released": send_released,
    "cache_failed": send_failed,
    "transaction_rolled_back": send_rolled_back,
    "async jti_reserved": async_to_sync(asend_reserved),
    "async jti_replayed": async_to_sync(asend_replayed),
    "async jti_released": async_to_sync(asend_released),
    "async cache_failed": async_to_sync(asend_failed),
}


@pytest.fixture(params=SENDERS)
def sent(request: pytest.FixtureRequest, using: str, settings: Any) -> Iterator[Any]:
    """A signal, and a function that lets it be sent while a transaction is open."""
    name = request.param.split()[-1]
    entries = 2 if name == "cache_failed" else 10
    memory = "jti_replay.backends.memory.InMemoryCache"
    settings.JTI_REPLAY = {
        "CACHES": {"default": {"BACKEND": memory, "OPTIONS": {"max_entries": entries}}},
        "PROFILES": {"default": PROFILE},
    }
    for jti in ("seen", "second"):
        assert replay_cache.reserve(jti)
    connections[OTHER] = connections["default"].copy(alias=OTHER)
    yield getattr(signals, name), SENDERS[request.param]
    connections[OTHER].close()
    del connections[OTHER]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_no_signal_dooms_an_open_transaction(using: str, sent: Any, is_async: bool) -> None:
    """What was done before and after a receiver failed is committed."""
    signal, send = sent
    called = []
    Work.objects.using(using).create(name=TAKEN)

    def fail() -> None:
        called.append(True)
        for doom in (by_sql, by_orm, by_mark):
            with suppress(Error):
                doom(using)
        raise ReceiverFailed

    async def afail() -> None:
        await sync_to_async(fail)()

    database = connections[using]
    with receiving(signal, afail if is_async else fail), transaction.atomic(using):
        Work.objects.using(using).create(name="before")
        state = database.needs_rollback, database.rollback_exc, list(database.execute_wrappers)
        send()
        assert called
        assert state == (
            *(database.needs_rollback, database.rollback_exc),
            list(database.execute_wrappers),
        )
        Work.objects.using(using).create(name="after")
    assert Work.objects.using(using).filter(name__in=["before", "after"]).count() == 2


def test_a_transaction_that_was_doomed_stays_doomed(using: str) -> None:
    """Receivers do not save a transaction, either."""
    Work.objects.using(using).create(name=TAKEN)
    database = connections[using]
    errors: list[BaseException] = []

    def note() -> None:
        with pytest.raises(Error) as raised:
            Work.objects.using(using).create(name="note")
        errors.append(raised.value)

    with receiving(signals.jti_reserved, note), transaction.atomic(using):
        with pytest.raises(Error):
            by_orm(using)
        exception = database.rollback_exc
        assert replay_cache.reserve("a")
        assert errors[0].__cause__ is exception
        assert (database.needs_rollback, database.rollback_exc) == (True, exception)
    assert not Work.objects.using(using).filter(name="note").exists()


def test_a_failed_statement_of_before_stays_failed(postgres: str) -> None:
    """PostgreSQL goes on refusing a transaction in which SQL has failed."""
    with transaction.atomic(postgres):
        with pytest.raises(Error):
            by_sql(postgres)
        refused: list[str] = []

        def query() -> None:
            with pytest.raises(Error, match="aborted"):
                by_sql(postgres)
            refused.append("by a receiver")

        with receiving(signals.jti_reserved, query):
            assert replay_cache.reserve("a")
        assert refused
        with pytest.raises(Error, match="aborted"):
            connections[postgres].cursor().execute("SELECT 1")


def test_a_receiver_suffers_nothing_from_another_one(
    using: str, doom: Callable[[str], None]
) -> None:
    """Those after one that fails may query as if it had not."""
    works = Work.objects.using(using)

    def in_block() -> None:
        with transaction.atomic(using, savepoint=False):
            works.create(name="in a block")

    def in_savepoint() -> None:
        with transaction.atomic(using):
            works.create(name="in a savepoint")

    fail, create = partial(doom, using), partial(works.create, name="row")
    with (
        receiving(signals.jti_reserved, in_savepoint, fail, create, fail, in_block),
        transaction.atomic(using),
    ):
        assert replay_cache.reserve("a")
    assert works.exclude(name=TAKEN).count() == 3


def test_a_block_of_a_receiver_stays_whole(using: str) -> None:
    """Within its own block, Django refuses what follows an error."""
    Work.objects.using(using).create(name=TAKEN)
    refused = []

    def half() -> None:
        with transaction.atomic(using):
            Work.objects.using(using).create(name="first half")
            with suppress(Error):
                by_orm(using)
            with pytest.raises(transaction.TransactionManagementError) as raised:
                Work.objects.using(using).create(name="second half")
            refused.append(raised)

    with receiving(signals.jti_reserved, half), transaction.atomic(using):
        assert replay_cache.reserve("a")
    assert refused
    assert not Work.objects.using(using).filter(name__contains="half").exists()


def test_manual_transactions_are_shielded_too(using: str, doom: Callable[[str], None]) -> None:
    """With autocommit off, work goes on after a receiver has failed."""
    transaction.set_autocommit(False, using)
    try:
        Work.objects.using(using).create(name="before")
        switch_on = partial(transaction.set_autocommit, True, using)
        with receiving(signals.jti_reserved, partial(doom, using), switch_on):
            assert replay_cache.reserve("a")
        assert not transaction.get_autocommit(using)
        Work.objects.using(using).create(name="after")
        transaction.commit(using)
    finally:
        transaction.set_autocommit(True, using)
    assert Work.objects.using(using).filter(name__in=["before", "after"]).count() == 2


def test_a_connection_to_which_nothing_is_bound_is_left_as_it_was() -> None:
    """Its methods are again those of its class."""
    fresh = connections.create_connection("default")
    mark = receiving(signals.jti_reserved, partial(by_mark, "default"))
    with pytest.MonkeyPatch.context() as patch, closing(fresh):
        patch.setattr(connections._connections, "default", fresh)
        with transaction.atomic(), mark:
            assert replay_cache.reserve("a")
            assert not {"close", "commit", "rollback", "set_autocommit"} & vars(fresh).keys()
