"""The kinds that ``KIND`` of a profile may name."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string

from .base import BaseKind

DEFAULT = "bearer"

BUILT_IN = {
    "bearer": "jti_replay.kinds.bearer.Bearer",
    "client_assertion": "jti_replay.kinds.client_assertion.ClientAssertion",
    "dpop": "jti_replay.kinds.dpop.DPoP",
    "jwt_bearer_grant": "jti_replay.kinds.jwt_bearer_grant.JWTBearerGrant",
    "link": "jti_replay.kinds.link.Link",
    "logout_token": "jti_replay.kinds.logout_token.LogoutToken",
    "security_event": "jti_replay.kinds.security_event.SecurityEvent",
}

RESERVED_TYPES = frozenset(
    {"at+jwt", "client-authentication+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt"}
)
"""The ``typ`` values that say of a token that it is of one certain kind."""


def load_kind(name: Any) -> type[BaseKind]:
    """
    Return the class of a kind: a built-in one by its name, another one by its dotted path.

    Raises :exc:`ImportError` if there is none.
    """
    if not isinstance(name, str):
        raise ImportError(f"it is not a str but {type(name).__name__}")
    path = BUILT_IN.get(name, name)
    try:
        kind = import_string(path)
    except ImportError:
        raise
    except Exception as error:  # The module may raise anything.
        raise ImportError(f"{path!r}: {type(error).__name__}: {error}") from error
    if isinstance(kind, type) and issubclass(kind, BaseKind):
        return kind
    raise ImportError(f"{path!r} is no subclass of jti_replay.kinds.BaseKind")
