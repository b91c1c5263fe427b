"""
Makes JSON Web Tokens single-use.

Add ``jti_replay`` to INSTALLED_APPS, describe your tokens in ``settings.JTI_REPLAY``, and put
:func:`~jti_replay.decorators.reserve_jti` on a view.
"""

from .caches import replay_cache, replay_caches
from .conf.version import __version__
from .exceptions import (
    CacheError,
    CacheFull,
    ColdStart,
    JTIReplayError,
    KeysUnavailable,
    NonceRequired,
    RequestInvalid,
    ReservationLost,
    TokenError,
    TokenInvalid,
    TokenMissing,
    TokenReplayed,
)
from .profiles.verification import averify_token, verify_token
from .reservation import Reservation
from .rollback import release_on_rollback

__all__ = [
    "CacheError",
    "CacheFull",
    "ColdStart",
    "JTIReplayError",
    "KeysUnavailable",
    "NonceRequired",
    "RequestInvalid",
    "Reservation",
    "ReservationLost",
    "TokenError",
    "TokenInvalid",
    "TokenMissing",
    "TokenReplayed",
    "__version__",
    "averify_token",
    "release_on_rollback",
    "replay_cache",
    "replay_caches",
    "verify_token",
]
