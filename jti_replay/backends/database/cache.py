"""A replay cache in a database of the project, where the jti commits with the work."""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, Error, connections, transaction

from jti_replay.backends.base import BaseReplayCache
from jti_replay.backends.database.checks import check_database
from jti_replay.backends.database.diagnosis import examine_database
from jti_replay.backends.findings import Finding
from jti_replay.backends.lost_replies import LostReplies, LostReply
from jti_replay.backends.store import PURGE_BATCH
from jti_replay.reservation.events import JTIEvent
from jti_replay.reservation.key import JTIKey
from jti_replay.rollback.ledger import Ledger
from jti_replay.rollback.query_block import is_blocked
from jti_replay.steps import run

from . import namespaces
from .connections import PrivateConnections
from .joined_rows import join_row
from .options import DatabaseOptions
from .purging import PurgeSchedule
from .releases import Owner, Releases, in_transaction
from .statements import Row
from .table import Table

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("jti_replay")


class DatabaseCache(BaseReplayCache):
    """
    Keeps jtis in a table of the database that ``LOCATION``, an alias of
    ``settings.DATABASES``, names: SQLite, PostgreSQL, MySQL or MariaDB.

    A reserve inside a transaction on that database is part of it: the jti and the work that
    it pays for are committed together or not at all, even if the process is killed. A second
    reserve of the jti waits for the outcome. Outside a transaction it stands at once.

    :class:`~jti_replay.backends.database.options.DatabaseOptions` lists its OPTIONS.

    The async versions run in the thread that Django keeps for the database work of a
    request (thread-sensitive), so that they share its connection.
    """

    known_options: ClassVar[frozenset[str]] = DatabaseOptions.names()

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.location = self.database = self.location or DEFAULT_DB_ALIAS
        self.database_options = DatabaseOptions.of(self.options)
        self.join = self.database_options.join
        timeout = self.database_options.timeout
        self._private_connections = PrivateConnections(self.location, timeout)
        self._table = Table(self._private_connections, timeout)
        self._releases = Releases(self.location, self._table, self._private_connections)
        self._purges = PurgeSchedule(self.database_options.purge)
        self._lost_replies = LostReplies(self._release_lost)

    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        """Insert the row, or take it over if it has expired, in one statement."""
        now = time.time()
        # One more, because the database's clock counts whole milliseconds.
        lifetime = max(0, math.ceil((deadline - now) * 1000)) + 1
        expiry = now + lifetime / 1000
        row = Row(
            key.digest, namespaces.to_column(key.namespace), secrets.randbits(63), lifetime
        )
        is_alone = False
        try:
            with self._connection() as connection:
                joined = in_transaction(connection)
                take_back = partial(self._take_back, connection, row, expiry)
                if not self._table.reserve(
                    connection, row, joined=joined, on_unknown=take_back
                ):
                    return None
                is_alone = not joined
                owner = Owner(row.owner, None)
                if joined:
                    statements = self._table.statements(connection)
                    join_row(connection, statements, row.digest, row.owner)
                    owner.transaction = Ledger.of(connection).transaction
            if self._purges.is_due():
                self._purge_soon(connection, joined=joined)
            return owner, expiry
        except BaseException:
            if is_alone:  # A signal handler's: nobody else knows of the row.
                take_back()
            raise

    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        """Delete the row, if it is live and the owner's."""
        known = owner if isinstance(owner, Owner) else None
        if self.join:
            return self._releases.release(key.digest, known)
        number = known.number if known else None
        with self._private_connections.use() as connection:
            return self._table.release(connection, key.digest, number, joined=False)

    def release_digest(self, digest: bytes, column: str) -> bool:
        """Release a jti by its digest and its namespace as the table shows them."""
        namespace = namespaces.from_column(column)
        event = partial(JTIEvent, self, "", namespace, stored=digest)
        return run(self._release(JTIKey(digest, namespace or ""), None, event))

    def joins(self, using: str) -> bool:
        """Return whether a reserve is part of the transaction that is open on a database."""
        return self.join and using == self.location

    @property
    def clock(self) -> str:
        """The SQL for the present in milliseconds since 1970, by which rows expire."""
        with self._connection() as connection:
            return self._table.statements(connection).now

    def complete_since(self) -> float | None:
        """Return when the table was made, or the latest :meth:`restart_memory`."""
        return self._number("since") / 1000 or None

    def start_memory(self) -> float | None:
        """Return when the memory begins: now, if that has not been noted."""
        with self._connection() as connection:
            return self._table.start_memory(connection) / 1000 or None

    def restart_memory(self) -> None:
        """Note that the memory begins now: rows may be missing, as after a restored backup."""
        with self._connection() as connection:
            self._table.restart_memory(connection)

    def count(self) -> int:
        """Return the number of live entries."""
        return self._number("count")

    def backlog(self) -> int:
        """Return the number of expired rows that are to be purged."""
        return self._number("backlog")

    def purge(self, batch: int = PURGE_BATCH) -> int:
        """Delete at most ``batch`` expired rows. Return how many there were."""
        with self._connection() as connection:
            is_beside = self._table.statements(connection).writes_beside
            if not (is_beside and in_transaction(connection)):
                return self._table.purge(connection, batch)
        with self._private_connections.use() as connection:  # The rows would stay locked.
            return self._table.purge(connection, batch)

    def diagnose(self) -> Iterator[Finding]:
        """Ask the database over the connection that a reserve would use."""
        with self._connection() as connection:
            connection.ensure_connection()
            yield Finding.ok("reachable", True, "It answers.")
            yield from examine_database(connection, self.database_options)

    def close(self) -> None:
        """Close the private connections. The others are Django's."""
        self._private_connections.close()

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Refuse options of a wrong type, and a database that cannot do what they say."""
        return [
            *self.database_options.check(self.alias),
            *check_database(self.alias, self.location, alone=not self.join),
        ]

    def _purge_soon(self, connection: BaseDatabaseWrapper, *, joined: bool) -> None:
        if not joined:
            self._purge_quietly()
        elif connection.in_atomic_block:
            # Not in the transaction, which would hold the locks until its end.
            transaction.on_commit(self._purge_quietly, using=self.location, robust=True)

    def _purge_quietly(self) -> None:
        try:
            self.purge()
        except Error as error:
            logger.warning("The replay cache %r could not purge: %s", self.alias, error)

    def _take_back(self, connection: Any, row: Row, expiry: float) -> None:
        if connection.vendor == "sqlite" and connection.is_in_memory_db():
            self._table.release(connection, row.digest, row.owner, joined=False)
        else:
            self._lost_replies.add(row.digest, row.owner, expiry)

    def _release_lost(self, batch: Sequence[LostReply]) -> None:
        for lost in batch:
            number = cast("int", lost.owner)
            with self._private_connections.use() as connection:
                self._table.release(connection, lost.key, number, joined=False)

    def _number(self, name: str) -> int:
        with self._connection() as connection:
            return self._table.number(connection, name)

    @contextmanager
    def _connection(self) -> Iterator[BaseDatabaseWrapper]:
        """Give Django's connection if a reserve may join its transaction, or a private one."""
        if self.join and not is_blocked(connections[self.location]):
            yield connections[self.location]
            return
        with self._private_connections.use() as connection:
            yield connection
