from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from jti_replay import Reservation, release_on_rollback, replay_cache
from jti_replay.signals import transaction_rolled_back
from tests.rollback.attempts import Attempt
from tests.rollback.signals import connected

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class CallbackFailed(Exception):
    pass


def test_a_callback_that_raises_after_the_commit_does_not_give_the_token_back(
    attempt: Attempt,
) -> None:
    def callback() -> None:
        raise CallbackFailed

    def work(reservation: Reservation) -> None:
        attempt.store()
        transaction.on_commit(callback, using=attempt.using)

    assert isinstance(attempt.run(work), CallbackFailed)
    assert attempt.stored()
    assert not attempt.was_released()


def test_the_token_is_used_up_before_any_callback_runs(attempt: Attempt) -> None:
    outcomes = []

    def callback() -> None:
        # If the reservation still hung on the connection, this would release it.
        with transaction.atomic(attempt.using):
            transaction.set_rollback(True, using=attempt.using)
        outcomes.append(replay_cache.count())

    def work(reservation: Reservation) -> None:
        transaction.on_commit(callback, using=attempt.using)

    assert attempt.run(work) is None
    assert outcomes == [1]
    assert not attempt.was_released()


def test_a_callback_is_not_needed_for_a_rollback_to_be_told(using: str) -> None:
    told: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs)

    with connected(transaction_rolled_back, receiver), transaction.atomic(using):
        assert release_on_rollback(replay_cache.reserve("a"), using)
        transaction.on_commit(lambda: pytest.fail("it was rolled back"), using=using)
        transaction.set_rollback(True, using=using)
    assert len(told) == 1


def test_a_transaction_begun_after_a_failed_callback_owns_nothing_of_the_former(
    using: str,
) -> None:
    def callback() -> None:
        raise CallbackFailed

    def work() -> None:
        with transaction.atomic(using):
            assert release_on_rollback(replay_cache.reserve("a"), using)
            transaction.on_commit(callback, using=using)

    with pytest.raises(CallbackFailed):
        work()
    with transaction.atomic(using):
        transaction.set_rollback(True, using=using)
    assert replay_cache.reserve("a") is None
