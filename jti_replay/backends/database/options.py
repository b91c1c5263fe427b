"""The OPTIONS of a cache in a database."""

from __future__ import annotations

from dataclasses import dataclass

from jti_replay.backends.options import Options


@dataclass(frozen=True, slots=True)
class DatabaseOptions(Options):
    """What ``OPTIONS`` of a cache in a database may hold."""

    join: bool = True
    """
    Whether a reserve is part of the transaction that is open on its database. If not, it uses
    a private connection: the reservation stands whatever the transaction does, and is released
    like those of the other caches.
    """

    timeout: float = 2.0
    """
    How long a call waits, in seconds: for the outcome of another transaction, and on a private
    connection for the database. MySQL and MariaDB round it up to a whole second. On Django's
    connection to SQLite that connection's own limit holds.
    """

    purge: bool = True
    """
    Whether reserves delete expired rows on their way. If not, ``manage.py jti_replay purge``
    is to do it.
    """
