"""
Signals of ``jti_replay``. All are sent with ``send_robust``: a receiver that raises is
logged by Django. Neither that nor its queries decide the outcome.

None of them carries a token or a jti, only its digest.
"""

from django.dispatch import Signal

# The sender of these four is the class of the cache. All have alias (str), namespace (str)
# and digest (str, short, hexadecimal), and, where they are known, request (HttpRequest) and
# profile (str).

# A jti was new and is now reserved. Also: reservation (Reservation).
jti_reserved = Signal()

# A jti had already been reserved: its token is being replayed.
jti_replayed = Signal()

# A jti was given back before its time. Also, unless an operator released it by its name:
# reservation (Reservation).
jti_released = Signal()

# The store failed, or is full. Also: error (CacheError) and, in a release: reservation.
cache_failed = Signal()

# A transaction (or a savepoint of it) to which reservations are bound has rolled back. The
# sender is the class of the database connection. Provides: using (str, the alias of the
# database), reservations (tuple of Reservation), savepoint (bool: True if only a savepoint
# rolled back). The connection refuses queries until all receivers have run.
transaction_rolled_back = Signal()
