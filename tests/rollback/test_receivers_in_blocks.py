"""What receivers do in an open transaction is a part of it."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from jti_replay import release_on_rollback, replay_cache, signals
from tests.models import Work
from tests.rollback.blocks import failing_block
from tests.rollback.signals import receiving

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_what_receivers_write_goes_with_the_transaction(using: str) -> None:
    """A row of a receiver is committed or rolled back like the others."""
    create = partial(Work.objects.using(using).create, name="row")
    for block, stays in ((failing_block(using), False), (transaction.atomic(using), True)):
        with receiving(signals.jti_reserved, create), block:
            assert replay_cache.reserve(f"{stays}")
        assert Work.objects.using(using).filter(name="row").exists() is stays


def test_savepoints_of_receivers_are_not_counted(using: str) -> None:
    """A project counts the queries of its receivers, and no others."""
    create = partial(Work.objects.using(using).create, name="row")
    with (
        receiving(signals.jti_reserved, create),
        transaction.atomic(using),
        CaptureQueriesContext(connections[using]) as queries,
    ):
        assert release_on_rollback(replay_cache.reserve("a"), using)
    assert [query["sql"].split()[0] for query in queries] == ["INSERT"]
