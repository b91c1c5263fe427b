"""Every error that this package raises on purpose, under one root."""

from django.db import DatabaseError


class JTIReplayError(Exception):
    """Root of all errors of ``jti_replay``."""


class CacheError(JTIReplayError):
    """
    Raised when a replay cache could not do its work: the store is down, slow, read-only
    or answered nonsense. ``__cause__`` is the original error.

    Whether the jti stands is then unknown, so the caller must refuse the token.
    """


class CacheFull(CacheError):
    """Raised when a new jti finds no room, because a live one is never forgotten for it."""


class ColdStart(CacheError):
    """
    Raised when a token may have been used before the cache began to remember: it was issued
    before this server can vouch for it (RFC 4120 3.2.3).

    ``retry_after`` is the number of seconds after which a token of the same age is accepted.
    """

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            "The token was issued before this server can vouch for it, which lost its memory: "
            f"tokens as old as this one are accepted in {retry_after:.0f} seconds."
        )
        self.retry_after = retry_after


class ReservationLost(CacheError, DatabaseError):
    """
    Raised at COMMIT when the database has rolled back the transaction that a reserve was
    part of, and went on in a new one: MySQL and MariaDB end a deadlock so. The work of the
    new transaction is rolled back, because its jti is no longer reserved.
    """


class TokenError(JTIReplayError):
    """
    Root of the reasons for which a token is refused. Its text is safe to show the client.

    - ``code`` (str or None): the error code of the answer. None: that of the token's kind.
    - ``claim`` (str or None): the claim or header parameter that is refused, or
      ``"signature"``.
    - ``detail`` (str): what came and what is accepted, for the operator's log. It may quote
      what a stranger wrote (as a ``repr()``, cut short), and is never sent to the client.
    """

    def __init__(
        self,
        text: str = "",
        *,
        code: str | None = None,
        claim: str | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(text)
        self.code = code
        self.claim = claim
        self.detail = detail

    @property
    def explanation(self) -> str:
        """The text and the detail, for the operator."""
        return f"{self} {self.detail}".rstrip()


class TokenMissing(TokenError):
    """Raised when the request carries no token at all."""


class RequestInvalid(TokenError):
    """Raised when a request cannot carry a token: its method, media type or form is wrong."""


class TokenInvalid(TokenError):
    """Raised when a token was sent that the profile does not accept."""


class NonceRequired(TokenInvalid):
    """Raised when a token lacks a nonce of this server, or has an old one (RFC 9449 8)."""


class TokenReplayed(TokenError):
    """Raised when a token that verifies has already been used."""


class KeysUnavailable(JTIReplayError):
    """
    Raised when the keys that could tell whether a token is good cannot be had: the issuer's
    JWKS is down, or the key function failed. It is the server's trouble, not the client's.
    """
