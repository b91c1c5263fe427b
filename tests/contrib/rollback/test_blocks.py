"""Guards of frameworks in transactions of others, in none, and in those that end unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.db import connections, transaction

from jti_replay import Reservation, replay_cache
from tests.contrib.rollback.guards import GUARDS, by_auth, by_class, by_permission
from tests.rollback.attempts import Attempt
from tests.rollback.hidden_ends import raises, set_rollback, work_with_hidden_end
from tests.rollback.test_testcase import run_in_testcase

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.usefixtures("table_settings"),
]

WITHOUT_BLOCK = pytest.mark.parametrize("guard", [by_class, by_permission, by_auth])
"""Those that open no transaction themselves, where ATOMIC_REQUESTS opens none."""


class WorkFailed(Exception):
    pass


def failing(attempt: Attempt) -> Callable[[Reservation], None]:
    def work(reservation: Reservation) -> NoReturn:
        attempt.store()
        raise WorkFailed

    return work


@pytest.mark.parametrize("end", [raises, set_rollback])
def test_a_hidden_commit_uses_the_token_up(attempt: Attempt, end: Any) -> None:
    """The work was committed behind Django's back."""
    attempt.run(work_with_hidden_end(attempt, "SQL", end))
    connections[attempt.using].close()
    assert attempt.stored()
    assert not attempt.was_released()


def test_a_connection_that_the_view_closes_gives_the_token_back(attempt: Attempt) -> None:
    """At once, and the request goes on."""

    def work(reservation: Reservation) -> None:
        attempt.store()
        connections[attempt.using].close()
        assert replay_cache.count() == 0

    assert attempt.run(work) is None
    assert not attempt.stored()
    assert attempt.was_released()


@pytest.mark.parametrize("way", [way for way in GUARDS if "ATOMIC_REQUESTS" in way])
def test_within_the_block_of_another_a_failed_request_gives_back_at_once(
    attempted: str, make_attempt: Callable[..., Attempt], way: str
) -> None:
    """Its savepoint rolls back, and the outer transaction goes on."""
    attempt = make_attempt(attempted, way, GUARDS[way])
    with transaction.atomic(attempt.using):
        attempt.store("outer")
        assert isinstance(attempt.run(failing(attempt)), WorkFailed)
        assert replay_cache.count() == 0
    assert attempt.stored("outer")
    assert not attempt.stored()
    assert attempt.was_released()


@pytest.mark.parametrize("guard", GUARDS.values())
@pytest.mark.parametrize("rolls_back", [False, True])
def test_the_block_around_a_guard_decides(
    attempted: str, make_attempt: Callable[..., Attempt], guard: Any, rolls_back: bool
) -> None:
    """Such as that of a middleware: the work of a failed request may be committed in it."""
    attempt = make_attempt(attempted, "in a block", guard)
    with transaction.atomic(attempted):
        assert isinstance(attempt.run(failing(attempt)), WorkFailed)
        transaction.set_rollback(rolls_back, attempted)
    assert attempt.stored() is not rolls_back
    assert attempt.was_released() is rolls_back


@WITHOUT_BLOCK
def test_without_a_transaction_the_token_stays_used(
    make_attempt: Callable[..., Attempt], transactional_db: None, guard: Any
) -> None:
    """What the request has done before it failed stands."""
    attempt = make_attempt("default", "without a block", guard)
    assert isinstance(attempt.run(failing(attempt)), WorkFailed)
    assert attempt.stored()
    assert not attempt.was_released()


@WITHOUT_BLOCK
def test_a_rollback_of_another_database_keeps(
    postgres: str,
    make_attempt: Callable[..., Attempt],
    monkeypatch: pytest.MonkeyPatch,
    guard: Any,
) -> None:
    """``using`` names the one that decides."""
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    attempt = make_attempt(postgres, "ATOMIC_REQUESTS", guard)

    def work(reservation: Reservation) -> None:
        attempt.store()
        transaction.set_rollback(True, "default")

    assert attempt.run(work) is None
    assert attempt.stored()
    assert not attempt.was_released()


@pytest.mark.parametrize("way", GUARDS)
@pytest.mark.parametrize("fails", [False, True])
def test_in_a_test_case_it_is_as_in_production(
    attempted: str, make_attempt: Callable[..., Attempt], way: str, fails: bool
) -> None:
    """And what a request has used up goes back with the test's own transaction."""
    attempt = make_attempt(attempted, way, GUARDS[way])

    def body() -> None:
        work = failing(attempt) if fails else lambda reservation: attempt.store()
        assert isinstance(attempt.run(work), WorkFailed) is fails
        assert attempt.stored() is not fails
        assert attempt.was_released() is fails

    for _ in range(2):  # The second test is not disturbed by the first one.
        run_in_testcase(attempted, body)
        assert replay_cache.count() == 0
