"""What all databases have in common: the rows, the outcomes, and the steps that use them."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple


class Outcome(enum.Enum):
    """What came of an attempt to insert or delete a row."""

    DONE = "done"
    NOT_DONE = "not done"
    """Another reservation holds the jti, or there was no row to delete."""
    HELD = "held"
    """Another reservation holds the jti, and the transaction has locked its row."""
    UNDECIDED = "undecided"
    """An open transaction has touched the row, and may still roll back."""
    HIDDEN = "hidden"
    """The snapshot of this transaction may hide a row for which an insert would fail."""


class Row(NamedTuple):
    """What a reserve writes."""

    digest: bytes
    namespace: str
    owner: int
    lifetime: int
    """Milliseconds."""


class Statements(ABC):
    """
    The SQL for one database, and how its answers are read.

    A reserve inserts the row, takes it over if it has expired, or leaves it alone. Time is the
    database's own, so that the clocks of hosts do not matter. What a host says is how long
    the row is to live.

    ``table`` and ``memory`` are the quoted names of the tables.
    """

    now: ClassVar[str]
    """The present in milliseconds since 1970."""
    insert: str
    look: str = "SELECT COUNT(*) FROM {table} WHERE digest = %(digest)s AND expires_at > {now}"
    release: str = """
        DELETE FROM {table}
        WHERE digest = %(digest)s AND owner = %(owner)s AND expires_at > {now}
    """
    release_any: str = "DELETE FROM {table} WHERE digest = %(digest)s AND expires_at > {now}"
    own: str = "SELECT COUNT(*) FROM {table} WHERE digest = %(digest)s AND owner = %(owner)s"
    count: str = "SELECT COUNT(*) FROM {table} WHERE expires_at > {now}"
    backlog: str = "SELECT COUNT(*) FROM {table} WHERE expires_at <= {now}"
    purge: str
    since: str = "SELECT COALESCE(MAX(complete_since), 0) FROM {memory}"
    # Rounded up: nothing is known of what came before.
    begin: str = """
        INSERT INTO {memory} (id, complete_since) VALUES (1, {now} + 1) ON CONFLICT DO NOTHING
    """
    restart_memory: str = "UPDATE {memory} SET complete_since = {now} + 1"
    names: ClassVar[tuple[str, ...]] = (
        "insert",
        "look",
        "release",
        "release_any",
        "own",
        "count",
        "backlog",
        "purge",
        "since",
        "begin",
        "restart_memory",
    )
    """The attributes that are statements."""
    fragments: ClassVar[tuple[str, ...]] = ()
    """The attributes that are parts of statements."""
    writes_beside: ClassVar[bool] = True
    """Whether another connection can write while a transaction of this one has written."""
    looks_beside: ClassVar[bool] = False
    """Whether another connection must look for a row that a snapshot hides."""
    commit_can_lose_rows: ClassVar[bool] = False
    """
    Whether the server may roll a transaction back by itself and let the session go on, so that
    a COMMIT succeeds without the rows.
    """

    def __init__(self, table: str, memory: str) -> None:
        words = {"table": table, "memory": memory, "now": self.now}
        for name in self.fragments:
            words[name] = getattr(self, name).format(**words)
        for name in self.names:
            setattr(self, name, " ".join(getattr(self, name).format(**words).split()))

    @abstractmethod
    def execute_reserve(
        self, cursor: Any, row: Row, *, wait: float, joined: bool, looked: bool
    ) -> Outcome:
        """
        Insert a row, and wait for at most ``wait`` seconds for another transaction.

        ``joined`` says that a transaction is open, and ``looked`` that the first attempt in
        it was answered :attr:`Outcome.HIDDEN`.
        """

    def execute_release(
        self, cursor: Any, digest: bytes, owner: int | None, *, wait: float, joined: bool
    ) -> Outcome:
        """
        Delete a row that is live and the owner's, or any live one if ``owner`` is None.

        ``wait`` and ``joined`` are those of :meth:`execute_reserve`.
        """
        sql = self.release_any if owner is None else self.release
        cursor.execute(sql, {"digest": digest, "owner": owner, **self.limits(wait)})
        return Outcome.DONE if cursor.rowcount > 0 else Outcome.NOT_DONE

    def execute_look(self, cursor: Any, digest: bytes, *, wait: float) -> bool:
        """Return whether there is a live row, as other transactions see it."""
        cursor.execute(self.look, {"digest": digest, **self.limits(wait)})
        return bool(cursor.fetchone()[0])

    def execute_purge(self, cursor: Any, batch: int) -> int:
        """Delete at most ``batch`` expired rows that nothing locks. Return their number."""
        cursor.execute(self.purge, {"batch": batch})
        return int(cursor.rowcount)

    def limits(self, wait: float) -> dict[str, int]:
        """Return the parameters that limit how long a statement waits for a lock."""
        return {}

    def lost_a_race(self, error: Exception) -> bool:
        """
        Return whether a statement failed because of another one, and did nothing, so that it
        may be sent again outside a transaction.
        """
        return False

    def met_a_hidden_row(self, error: Exception) -> bool:
        """
        Return whether a statement failed, and ended its transaction, for a row that was
        committed after the snapshot of the transaction.
        """
        return False
