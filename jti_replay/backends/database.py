"""A replay cache in a database of the project, where the jti commits with the work."""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from django.conf import settings
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction

from jti_replay.checks.mappings import check_seconds, wrong_type
from jti_replay.digests import jti_digest
from jti_replay.doctor.database import examine_database
from jti_replay.doctor.finding import Finding
from jti_replay.exceptions import CacheError
from jti_replay.seal import is_sealed

from .base import BaseReplayCache
from .database_sql import Outcome, Statements, statements_for
from .own_connections import OwnConnections

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("jti_replay")

TABLE = "jti_replay_reservedjti"
DEFAULT_TIMEOUT = 2.0
POLL_INTERVAL = 0.02
NAMESPACE_LENGTH = 255

PURGE_INTERVAL = 64
"""Reserves of a process after which one of them purges."""

PURGE_BATCH = 256
"""Rows that one purge deletes at the most. More than the interval, so that it keeps up."""


class ScopedDigest(bytes):
    """A digest that knows its namespace, which is stored beside it for operators to read."""

    namespace: str


class Owner(NamedTuple):
    """Who holds a row, and whether the row was part of an open transaction when it was made."""

    number: int
    joined: bool


class DatabaseCache(BaseReplayCache):
    """
    Keeps jtis in a table of the database that ``LOCATION``, an alias of
    ``settings.DATABASES``, names: SQLite, PostgreSQL, MySQL or MariaDB.

    A reserve inside a transaction on that database is part of it: the jti and the work that
    it pays for are committed together or not at all, even if the process is killed. Who
    wants the same jti meanwhile waits for the outcome. Outside a transaction it stands at
    once.

    OPTIONS:

    - ``join`` (bool): False keeps it out of transactions, on a connection of its own. The
      reservation then stands whatever the transaction does, and is released like those of
      the other caches.
    - ``timeout`` (seconds): how long another transaction is waited for, 2 by default. On
      SQLite and MySQL, which have time limits of their own, those hold.
    """

    known_options: ClassVar[frozenset[str]] = frozenset({"join", "timeout"})

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.location = self.location or DEFAULT_DB_ALIAS
        self.join: bool = self.options.get("join", True)
        self.timeout: float = self.options.get("timeout", DEFAULT_TIMEOUT)
        self.digest = _scoped_digest
        self._own_connections = OwnConnections(self.location)
        self._prepared: Statements | None = None
        self._reserves = 0

    def add(self, digest: bytes, deadline: float) -> tuple[Hashable, float] | None:
        """Insert the row, or take it over if it has expired, in one statement."""
        now = time.time()
        # One more, because the database's clock counts whole milliseconds.
        lifetime = max(0, math.ceil((deadline - now) * 1000)) + 1
        number = secrets.randbits(63)
        connection = self._connection()
        joined = self.join and _in_transaction(connection)
        outcome = self._reserve(connection, digest, number, lifetime)
        if outcome is Outcome.SEEN:
            return None
        self._purge_now_and_then(connection)
        return Owner(number, joined), now + lifetime / 1000

    def remove(self, digest: bytes, owner: Hashable | None) -> bool:
        """Delete the row, if it is live and the owner's."""
        if isinstance(owner, Owner):
            return self._execute("release", [digest, owner.number]) > 0
        return self._execute("release_any", [digest]) > 0

    def rolls_back_with(self, using: str, owner: Hashable) -> bool:
        """Return whether the row goes by itself when the transaction on a database does."""
        return isinstance(owner, Owner) and owner.joined and using == self.location

    def count(self) -> int:
        """Return the number of live entries."""
        return self._number("count")

    def backlog(self) -> int:
        """Return the number of expired rows that are to be purged."""
        return self._number("backlog")

    def purge(self, batch: int = PURGE_BATCH) -> int:
        """Delete so many expired rows at the most. Return how many there were."""
        return self._execute("purge", [batch])

    def diagnose(self) -> Iterator[Finding]:
        """Say what the store would survive."""
        return examine_database(self, TABLE)

    def close(self) -> None:
        """Close the connections of its own. The others are Django's."""
        self._own_connections.close()

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Refuse options of a wrong type, and a location that is no database."""
        messages: list[checks.CheckMessage] = []
        join: object = self.join
        if not isinstance(join, bool):
            messages.append(
                wrong_type(f"join of the replay cache {self.alias!r}", join, "a bool")
            )
        messages += check_seconds(f"timeout of the replay cache {self.alias!r}", self.timeout)
        if self.location not in settings.DATABASES:
            messages.append(
                checks.Error(
                    f"The replay cache {self.alias!r} is to use the database "
                    f"{self.location!r}, which settings.DATABASES does not name.",
                    hint="Set LOCATION to an alias of settings.DATABASES.",
                    id="jti_replay.E006",
                )
            )
        elif not self.join and _is_in_memory(self.location):
            messages.append(
                checks.Error(
                    f"The replay cache {self.alias!r} cannot have a connection of its own to "
                    f"the database {self.location!r}, which is in the memory of another one.",
                    hint="Remove 'join': False, or put the SQLite database into a file.",
                    id="jti_replay.E017",
                )
            )
        return messages

    def _reserve(
        self, connection: BaseDatabaseWrapper, digest: bytes, number: int, lifetime: int
    ) -> Outcome:
        namespace = digest.namespace if isinstance(digest, ScopedDigest) else ""
        statements = self._statements(connection)
        give_up = time.monotonic() + self.timeout
        while True:
            # A statement that fails may have ended the transaction that it was in.
            with _marks_for_rollback(connection), connection.cursor() as cursor:
                outcome = statements.execute_reserve(
                    cursor, bytes(digest), namespace, number, lifetime
                )
            if outcome is not Outcome.UNDECIDED:
                return outcome
            if time.monotonic() >= give_up:
                raise CacheError(
                    "Another transaction has reserved the jti, and has not ended within "
                    f"{self.timeout:g} seconds."
                )
            time.sleep(POLL_INTERVAL)

    def _purge_now_and_then(self, connection: BaseDatabaseWrapper) -> None:
        self._reserves += 1
        if self._reserves % PURGE_INTERVAL:
            return
        if not _in_transaction(connection):
            self._purge_quietly()
        elif connection.in_atomic_block:
            # Not in somebody's transaction, which would hold the locks until its end.
            transaction.on_commit(self._purge_quietly, using=self.location, robust=True)

    def _purge_quietly(self) -> None:
        try:
            self.purge()
        except DatabaseError as error:
            logger.warning("The replay cache %r could not purge: %s", self.alias, error)

    def _execute(self, statement: str, parameters: list[Any]) -> int:
        connection = self._connection()
        sql = self._statements(connection).sql(statement)
        with _marks_for_rollback(connection), connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return int(cursor.rowcount)

    def _number(self, statement: str) -> int:
        connection = self._connection()
        with _marks_for_rollback(connection), connection.cursor() as cursor:
            cursor.execute(self._statements(connection).sql(statement))
            return int(cursor.fetchone()[0])

    def _connection(self) -> BaseDatabaseWrapper:
        connection = connections[self.location]
        if self.join and not is_sealed(connection):
            return connection
        return self._own_connections.get()

    def _statements(self, connection: BaseDatabaseWrapper) -> Statements:
        if self._prepared is None:
            self._prepared = statements_for(connection, TABLE, self.timeout)
        return self._prepared


def _scoped_digest(namespace: str, jti: str) -> ScopedDigest:
    digest = ScopedDigest(jti_digest(namespace, jti))
    # Escaped, because not every database takes every character.
    digest.namespace = namespace.encode("unicode_escape").decode("ascii")[:NAMESPACE_LENGTH]
    return digest


def _in_transaction(connection: BaseDatabaseWrapper) -> bool:
    return connection.in_atomic_block or not connection.get_autocommit()


def _is_in_memory(database: str) -> bool:
    connection: Any = connections[database]
    return bool(connection.vendor == "sqlite" and connection.is_in_memory_db())


@contextmanager
def _marks_for_rollback(connection: Any) -> Iterator[None]:
    # As transaction.mark_for_rollback_on_error(), for a connection that has no alias too.
    try:
        yield
    except Exception as error:
        if connection.in_atomic_block:
            connection.needs_rollback = True
            connection.rollback_exc = error
        raise
