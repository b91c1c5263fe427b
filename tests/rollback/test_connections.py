from __future__ import annotations

from typing import Any, NoReturn

import pytest
from django.db import DatabaseError, OperationalError, connections, transaction
from django.http import HttpRequest
from django.test import RequestFactory

from jti_replay import Reservation, release_on_rollback, replay_cache
from jti_replay.decorators import reserve_jti
from jti_replay.rollback.ledger import ATTRIBUTE
from tests.models import Work
from tests.rollback.attempts import WAYS, Attempt
from tests.rollback.blocks import failing_block
from tests.rollback.sessions import terminate
from tests.rollback.tokens import PROFILE, bearer, new_token

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class WorkFailed(Exception):
    pass


def test_a_connection_lost_before_commit_gives_the_token_back(
    postgres_attempt: Attempt, other_session: Any
) -> None:
    attempt = postgres_attempt

    def work(reservation: Reservation) -> None:
        attempt.store()
        terminate(connections[attempt.using], other_session)
        attempt.stored()

    assert isinstance(attempt.run(work), OperationalError)
    assert not attempt.stored()
    assert attempt.was_released()


def test_a_lost_connection_whose_error_is_swallowed_gives_the_token_back(
    postgres_attempt: Attempt, other_session: Any
) -> None:
    attempt = postgres_attempt

    def work(reservation: Reservation) -> None:
        attempt.store()
        terminate(connections[attempt.using], other_session)
        with pytest.raises(OperationalError):
            attempt.stored()

    assert isinstance(attempt.run(work), DatabaseError)  # COMMIT cannot even be sent.
    assert not attempt.stored()
    assert attempt.was_released()


def test_a_connection_lost_in_a_savepoint_gives_the_token_back(
    postgres_attempt: Attempt, other_session: Any
) -> None:
    attempt = postgres_attempt

    def work(reservation: Reservation) -> None:
        attempt.store()
        with transaction.atomic(attempt.using):
            terminate(connections[attempt.using], other_session)
            attempt.stored()

    assert isinstance(attempt.run(work), OperationalError)
    assert not attempt.stored()
    assert attempt.was_released()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("alias", ["default", "postgres"])
def test_a_connection_that_the_view_closes_gives_the_token_back_at_once(
    make_attempt: Any, postgres: str, way: str, alias: str
) -> None:
    attempt = make_attempt(alias, way)

    def work(reservation: Reservation) -> None:
        attempt.store()
        connections[alias].close()
        assert replay_cache.count() == 0
        assert not release_on_rollback(reservation, alias)

    assert attempt.run(work) is None
    assert not attempt.stored()
    assert attempt.was_released()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fails", [False, True], ids=["commits", "rolls back"])
def test_sqlite_in_memory_does_not_close_and_follows_the_real_end(
    make_attempt: Any, transactional_db: None, way: str, fails: bool
) -> None:
    attempt = make_attempt("memory", way)

    def work(reservation: Reservation) -> None:
        attempt.store()
        connections["memory"].close()
        assert replay_cache.count() == 1
        if fails:
            raise WorkFailed

    error = attempt.run(work)
    assert isinstance(error, WorkFailed) if fails else error is None
    assert attempt.stored() is not fails
    assert attempt.was_released() is fails


def test_without_a_transaction_nothing_is_bound_and_the_token_stays_used_up(
    using: str,
) -> None:
    reservation = replay_cache.reserve("a")
    assert reservation
    assert release_on_rollback(reservation, using) is False
    with failing_block(using):
        pass
    assert replay_cache.reserve("a") is None


def test_to_ask_whether_a_transaction_is_open_does_not_connect(fresh_connection: Any) -> None:
    assert release_on_rollback(replay_cache.reserve("a")) is False
    assert fresh_connection.connection is None


def test_an_open_connection_is_not_used_to_ask(django_db_blocker: Any) -> None:
    """A test that may not query reserves, also beside a connection that others left open."""
    connections["default"].ensure_connection()
    with django_db_blocker.block():
        assert release_on_rollback(replay_cache.reserve("a")) is False


def test_a_connection_without_autocommit_is_opened_to_bind(
    fresh_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first statement opens a transaction, and connecting later would unbind."""
    monkeypatch.setitem(fresh_connection.settings_dict, "AUTOCOMMIT", False)
    assert release_on_rollback(replay_cache.reserve("a")) is True
    assert fresh_connection.connection is not None
    fresh_connection.rollback()
    assert replay_cache.reserve("a")


class ManualTransactions:
    """Autocommit is off: the view itself ends its transactions."""

    @pytest.fixture(autouse=True)
    def _manual(self, using: str) -> Any:
        connections[using].set_autocommit(False)
        yield
        connections[using].rollback()
        connections[using].set_autocommit(True)


class TestManualTransactions(ManualTransactions):
    def test_rollback_gives_back(self, using: str) -> None:
        assert release_on_rollback(replay_cache.reserve("a"), using)
        Work.objects.using(using).create(name="work")
        transaction.rollback(using)
        assert not Work.objects.using(using).exists()
        assert replay_cache.reserve("a")

    def test_commit_keeps(self, using: str) -> None:
        assert release_on_rollback(replay_cache.reserve("a"), using)
        transaction.commit(using)
        transaction.rollback(using)
        assert replay_cache.reserve("a") is None

    def test_rollback_gives_back_only_what_came_after_the_commit(self, using: str) -> None:
        assert release_on_rollback(replay_cache.reserve("a"), using)
        transaction.commit(using)
        assert release_on_rollback(replay_cache.reserve("b"), using)
        transaction.rollback(using)
        assert replay_cache.reserve("a") is None
        assert replay_cache.reserve("b")

    def test_a_rolled_back_block_gives_back_its_own(self, using: str) -> None:
        assert release_on_rollback(replay_cache.reserve("outer"), using)
        with failing_block(using):
            assert release_on_rollback(replay_cache.reserve("inner"), using)
        transaction.commit(using)
        assert replay_cache.reserve("inner")
        assert replay_cache.reserve("outer") is None

    def test_the_decorator_opens_no_block_of_its_own(
        self, make_attempt: Any, using: str
    ) -> None:
        attempt = make_attempt(using, "decorator")

        def work(reservation: Reservation) -> NoReturn:
            assert not connections[using].in_atomic_block
            raise WorkFailed

        assert isinstance(attempt.run(work), WorkFailed)
        assert replay_cache.count() == 1
        transaction.rollback(using)
        assert replay_cache.count() == 0

    def test_release_on_error_leaves_it_to_the_transaction(
        self, using: str, settings: Any
    ) -> None:
        """Which the view may still commit, or somebody around it."""
        settings.JTI_REPLAY = {"PROFILES": {"default": PROFILE}}

        @reserve_jti(using=using, release_on_error=True)
        def view(request: HttpRequest) -> NoReturn:
            raise WorkFailed

        request = RequestFactory().post("/", headers=bearer(new_token()))
        with pytest.raises(WorkFailed):
            view(request)
        assert replay_cache.count() == 1
        transaction.rollback(using)
        assert replay_cache.count() == 0


@pytest.mark.parametrize("using", ["default", "memory"])
def test_to_turn_autocommit_on_is_a_commit_in_sqlite_and_keeps(
    using: str, transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    """It is one of Django's, which the log does not complain of."""
    transaction.set_autocommit(False, using)
    assert release_on_rollback(replay_cache.reserve("a"), using)
    Work.objects.using(using).create(name="work")
    transaction.set_autocommit(True, using)
    transaction.rollback(using)
    assert Work.objects.using(using).exists()
    assert replay_cache.reserve("a") is None
    assert "ended without Django" not in caplog.text


def test_a_connection_closed_in_a_manual_transaction_gives_back(postgres: str) -> None:
    for alias in ("default", postgres):
        transaction.set_autocommit(False, alias)
        assert release_on_rollback(replay_cache.reserve(alias), alias)
        Work.objects.using(alias).create(name="work")
        connections[alias].close()
        assert replay_cache.reserve(alias)
        assert not Work.objects.using(alias).exists()


def test_autocommit_that_the_settings_turn_off_is_a_transaction(
    fresh_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fresh_connection.settings_dict, "AUTOCOMMIT", False)
    assert release_on_rollback(replay_cache.reserve("a"))
    fresh_connection.rollback()
    assert replay_cache.reserve("a")


METHODS = (
    *("commit", "rollback", "close", "set_autocommit"),
    *("savepoint", "savepoint_rollback", "savepoint_commit"),
)


def test_a_connection_that_never_held_a_reservation_is_not_touched(
    fresh_connection: Any,
) -> None:
    with transaction.atomic():
        Work.objects.exists()
    attributes = set(vars(fresh_connection))
    of_class = {name: getattr(type(fresh_connection), name) for name in METHODS}
    assert release_on_rollback(replay_cache.reserve("autocommit")) is False
    with transaction.atomic():
        transaction.set_rollback(True)
    assert set(vars(fresh_connection)) == attributes
    with transaction.atomic():
        assert release_on_rollback(replay_cache.reserve("bound"))
    assert set(vars(fresh_connection)) - attributes == {*METHODS, ATTRIBUTE}
    assert of_class == {name: getattr(type(fresh_connection), name) for name in METHODS}


def use_them_all(connection: Any) -> None:
    """Call each of the wrapped methods once, or more."""
    with transaction.atomic():
        assert release_on_rollback(replay_cache.reserve("a"))
        savepoint = connection.savepoint()
        connection.savepoint_rollback(savepoint)
        connection.savepoint_commit(savepoint)
    with transaction.atomic():
        assert release_on_rollback(replay_cache.reserve("b"))
        transaction.set_rollback(True)
    connection.close()


def test_patches_that_the_class_gets_later_still_run(
    fresh_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_them_all(fresh_connection)
    called = []

    def patch(name: str) -> None:
        original = getattr(type(fresh_connection), name)

        def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
            assert self is fresh_connection
            called.append(name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(type(fresh_connection), name, patched)

    for name in METHODS:
        patch(name)
    replay_cache.release("a")
    use_them_all(fresh_connection)
    assert set(called) == set(METHODS)
    monkeypatch.undo()


def test_a_method_that_the_object_had_of_its_own_still_runs(fresh_connection: Any) -> None:
    called = []

    def patch(name: str) -> None:
        original = getattr(fresh_connection, name)

        def patched(*args: Any, **kwargs: Any) -> Any:
            called.append(name)
            return original(*args, **kwargs)

        setattr(fresh_connection, name, patched)

    for name in METHODS:
        patch(name)
    use_them_all(fresh_connection)
    assert set(called) == set(METHODS)
    assert replay_cache.reserve("a") is None
    assert replay_cache.reserve("b")
