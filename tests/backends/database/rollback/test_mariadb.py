"""A transaction on MariaDB decides on a jti that another store holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter
from typing import Any, NoReturn

import pytest
from django.db import Error, OperationalError, connections, transaction

from jti_replay import Reservation, release_on_rollback, replay_cache
from jti_replay.signals import jti_reserved
from tests.models import Work
from tests.rollback.attempts import WAYS as ATTEMPTS
from tests.rollback.attempts import Attempt
from tests.rollback.blocks import failing_block
from tests.rollback.hidden_ends import (
    ENDS,
    FOLLOWED_BY,
    WAYS,
    more_work,
    raises,
    swallowed_error,
    work_with_hidden_end,
)
from tests.rollback.test_shield import DOOMING, TAKEN, receiving
from tests.rollback.tokens import PROFILE

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def mariadb(mariadb_database: None, transactional_db: None, settings: Any) -> Iterator[str]:
    """The alias of a real MariaDB. The default cache is in memory."""
    settings.JTI_REPLAY = {"PROFILES": {"default": PROFILE}}
    yield "mariadb"
    connections["mariadb"].close()  # What was locked or lost is not for the next test.


@pytest.fixture(params=ATTEMPTS)
def attempt(
    request: pytest.FixtureRequest, mariadb: str, make_attempt: Callable[..., Attempt]
) -> Attempt:
    """An attempt in each way."""
    return make_attempt(mariadb, request.param)


@pytest.mark.parametrize("end", ENDS, ids=attrgetter("__name__"))
@pytest.mark.parametrize("then", FOLLOWED_BY, ids=attrgetter("__name__"))
@pytest.mark.parametrize("way", WAYS["mysql"])
def test_a_hidden_commit_uses_the_token_up(
    way: str, mariadb: str, make_attempt: Callable[..., Attempt], then: Any, end: Any
) -> None:
    """A token whose work was committed behind Django's back is not accepted again."""
    attempt = make_attempt(mariadb, "decorator")
    attempt.run(work_with_hidden_end(attempt, way, then, end))
    connections[mariadb].close()
    assert attempt.stored()
    assert not attempt.was_released()


@pytest.mark.parametrize("way", sorted(set(WAYS["mysql"]) - {"driver"}))
def test_a_lost_connection_does_not_hide_it(
    way: str, mariadb: str, make_attempt: Callable[..., Attempt]
) -> None:
    """The statement that committed was noticed while the server could be asked."""
    attempt = make_attempt(mariadb, "decorator")
    attempt.run(work_with_hidden_end(attempt, way, kill, more_work))
    connections[mariadb].close()
    assert attempt.stored()
    assert not attempt.was_released()


def kill(attempt: Attempt) -> None:
    """End the session of the connection, which does not notice yet."""
    kill_session(attempt.using)


def kill_session(using: str) -> None:
    """End the session of a connection, which does not notice yet."""
    connection = connections[using]
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute(f"KILL {connection.connection.thread_id()}")
    other.close()


def test_a_manual_transaction_knows_a_hidden_commit(mariadb: str) -> None:
    """With autocommit off, rollback() releases nothing that was committed."""
    transaction.set_autocommit(False, mariadb)
    try:
        assert release_on_rollback(replay_cache.reserve("a"), mariadb)
        Work.objects.using(mariadb).create(name="work")
        WAYS["mysql"]["TRUNCATE"](connections[mariadb].cursor())
        transaction.rollback(mariadb)
    finally:
        transaction.set_autocommit(True, mariadb)
    assert replay_cache.reserve("a") is None


def test_a_rollback_gives_the_token_back(attempt: Attempt) -> None:
    """An exception from the view releases."""

    def work(reservation: Reservation) -> None:
        attempt.store()
        raises(attempt)

    assert attempt.run(work) is not None
    assert not attempt.stored()
    assert attempt.was_released()


def test_a_commit_uses_the_token_up(attempt: Attempt) -> None:
    """COMMIT keeps."""
    assert attempt.run(lambda reservation: attempt.store()) is None
    assert attempt.stored()
    assert not attempt.was_released()


def test_an_inner_commit_and_an_outer_rollback_give_back(mariadb: str) -> None:
    """A savepoint that is released leaves the decision to the transaction."""
    with failing_block(mariadb), transaction.atomic(mariadb), transaction.atomic(mariadb):
        assert release_on_rollback(replay_cache.reserve("a"), mariadb)
        Work.objects.using(mariadb).create(name="work")
    assert replay_cache.reserve("a")


@pytest.mark.parametrize("doom", DOOMING, ids=attrgetter("__name__"))
def test_a_receiver_that_fails_lets_a_token_pass_once(
    attempt: Attempt, doom: Callable[[str], None]
) -> None:
    """Work is committed, and its token is used up, whatever a receiver does."""
    Work.objects.using(attempt.using).create(name=TAKEN)
    with receiving(jti_reserved, partial(doom, attempt.using)):
        assert attempt.run(lambda reservation: attempt.store()) is None
    assert attempt.stored()
    assert not attempt.was_released()


def test_a_lost_connection_gives_the_token_back(attempt: Attempt) -> None:
    """A connection that is lost before COMMIT, and noticed by a query, releases."""

    def work(reservation: Reservation) -> None:
        attempt.store()
        kill(attempt)
        more_work(attempt)

    assert isinstance(attempt.run(work), Error)
    connections[attempt.using].close()
    assert not attempt.stored()
    assert attempt.was_released()


def test_a_statement_that_finds_the_connection_lost_gives_back(attempt: Attempt) -> None:
    """What would have committed did not run."""

    def work(reservation: Reservation) -> None:
        attempt.store()
        kill(attempt)
        WAYS["mysql"]["TRUNCATE"](connections[attempt.using].cursor())

    assert isinstance(attempt.run(work), Error)
    connections[attempt.using].close()
    assert not attempt.stored()
    assert attempt.was_released()


def test_a_connection_lost_at_commit_uses_the_token_up(attempt: Attempt) -> None:
    """Whether the COMMIT was carried out is not known."""

    def work(reservation: Reservation) -> None:
        attempt.store()
        kill(attempt)

    assert isinstance(attempt.run(work), Error)
    connections[attempt.using].close()
    assert not attempt.was_released()


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_lost_rollback_is_told_by_the_close(
    mariadb: str, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    """Django closes a connection whose ROLLBACK fails. The server rolls back then."""
    connection = connections[mariadb]

    def fail() -> NoReturn:
        raise OperationalError

    with monkeypatch.context() as patch, transaction.atomic(mariadb):
        assert release_on_rollback(replay_cache.reserve("a"), mariadb)
        Work.objects.using(mariadb).create(name="work")
        if is_committed:
            connection.connection.commit()
        patch.setattr(connection, "_rollback", fail)
        transaction.set_rollback(True, using=mariadb)
    assert Work.objects.using(mariadb).exists() is is_committed
    assert (replay_cache.reserve("a") is None) is is_committed


@pytest.mark.parametrize("is_new", [False, True], ids=["after a hidden COMMIT", "first"])
def test_a_transaction_is_watched_for_itself(mariadb: str, is_new: bool) -> None:
    """A transaction is believed that is the first one, or follows one that was not."""
    former = connections[mariadb]
    connections[mariadb] = former.copy()
    try:
        if not is_new:
            with failing_block(mariadb):
                assert release_on_rollback(replay_cache.reserve("a"), mariadb)
                WAYS["mysql"]["SQL"](connections[mariadb].cursor())
        with failing_block(mariadb):
            assert release_on_rollback(replay_cache.reserve("b"), mariadb)
    finally:
        connections[mariadb].close()
        connections[mariadb] = former
    assert replay_cache.reserve("b")


@pytest.mark.parametrize("fails", [False, True], ids=["commits", "rolls back"])
def test_statements_are_watched_in_the_transaction_alone(mariadb: str, fails: bool) -> None:
    """Those that follow its end cost what they did before."""
    with transaction.atomic(mariadb):
        assert release_on_rollback(replay_cache.reserve("a"), mariadb)
        assert connections[mariadb].execute_wrappers
        transaction.set_rollback(fails, using=mariadb)
    assert not connections[mariadb].execute_wrappers


def test_a_block_of_execute_wrapper_ends_as_it_began(mariadb: str) -> None:
    """What the project has put around its queries goes, and the watch goes on."""
    connection = connections[mariadb]
    seen: list[str] = []

    def note(execute: Any, sql: Any, *args: Any) -> Any:
        seen.append(sql)
        return execute(sql, *args)

    with failing_block(mariadb):
        with connection.execute_wrapper(note), connection.execute_wrapper(note):
            assert release_on_rollback(replay_cache.reserve("a"), mariadb)
        Work.objects.using(mariadb).create(name="work")
        WAYS["mysql"]["SQL"](connection.cursor())
        kill_session(mariadb)
    connection.close()
    assert not seen
    assert replay_cache.reserve("a") is None


LOCK = "SELECT id FROM tests_work WHERE name = %s FOR UPDATE"


@pytest.mark.parametrize(
    "then", [raises, swallowed_error, more_work], ids=attrgetter("__name__")
)
def test_a_deadlock_is_a_rollback(
    mariadb: str, make_attempt: Callable[..., Attempt], then: Callable[[Attempt], None]
) -> None:
    """A deadlock rolls back; what follows it decides."""
    Work.objects.using(mariadb).bulk_create([Work(name="mine"), Work(name="theirs")])
    attempt = make_attempt(mariadb, "decorator")

    def work(reservation: Reservation) -> None:
        attempt.store()
        lose_a_deadlock(mariadb)
        then(attempt)

    attempt.run(work)
    assert not attempt.stored()
    assert attempt.was_released() is (then is raises)


def test_a_hidden_commit_after_a_deadlock_uses_the_token_up(
    mariadb: str, make_attempt: Callable[..., Attempt]
) -> None:
    """The transaction in which the view tries again is watched like the first one."""
    Work.objects.using(mariadb).bulk_create([Work(name="mine"), Work(name="theirs")])
    attempt = make_attempt(mariadb, "decorator")

    def work(reservation: Reservation) -> None:
        lose_a_deadlock(mariadb)
        work_with_hidden_end(attempt, "driver", raises)(reservation)

    attempt.run(work)
    assert attempt.stored()
    assert not attempt.was_released()


def test_a_deadlock_after_a_hidden_commit_uses_the_token_up(
    mariadb: str, make_attempt: Callable[..., Attempt]
) -> None:
    """What a deadlock rolled back is what came after the COMMIT."""
    Work.objects.using(mariadb).bulk_create([Work(name="mine"), Work(name="theirs")])
    attempt = make_attempt(mariadb, "decorator")

    def deadlock(attempt: Attempt) -> None:
        lose_a_deadlock(mariadb)

    attempt.run(work_with_hidden_end(attempt, "SQL", deadlock, raises))
    assert attempt.stored()
    assert not attempt.was_released()


def lose_a_deadlock(using: str) -> None:
    """Be the victim of a deadlock, which is the lighter transaction, and swallow the error."""
    locked = threading.Event()
    cursor = connections[using].cursor()
    cursor.execute(LOCK, ["mine"])

    def win() -> None:
        with transaction.atomic(using):
            Work.objects.using(using).bulk_create(Work(name=f"row {n}") for n in range(50))
            with connections[using].cursor() as other:
                other.execute(LOCK, ["theirs"])
                locked.set()
                other.execute(LOCK, ["mine"])
        connections[using].close()

    winner = threading.Thread(target=win)
    winner.start()
    assert locked.wait(10)
    with pytest.raises(OperationalError, match="Deadlock"):
        cursor.execute(LOCK, ["theirs"])
    winner.join(10)
