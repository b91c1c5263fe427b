"""
Makes JSON Web Tokens single-use.

Add ``jti_replay`` to INSTALLED_APPS, describe your tokens in ``settings.JTI_REPLAY``, and put
:func:`~jti_replay.decorators.reserve_jti` on a view.
"""

from .caches import replay_cache, replay_caches
from .exceptions import (
    CacheError,
    CacheFull,
    ColdStart,
    JTIReplayError,
    KeysUnavailable,
    NonceRequired,
    RequestInvalid,
    TokenError,
    TokenInvalid,
    TokenMissing,
    TokenReplayed,
)
from .reservation import Reservation
from .rollback import release_on_rollback

__version__ = "1.0.0"

__all__ = [
    "CacheError",
    "CacheFull",
    "ColdStart",
    "JTIReplayError",
    "KeysUnavailable",
    "NonceRequired",
    "RequestInvalid",
    "Reservation",
    "TokenError",
    "TokenInvalid",
    "TokenMissing",
    "TokenReplayed",
    "release_on_rollback",
    "replay_cache",
    "replay_caches",
]
