"""What the signals of jti_replay tell, noted on the board. None of them carries a jti."""

from typing import Any

from jti_replay import signals

from .board import board

MEANINGS = {
    "jti_reserved": "The jti was new, and is reserved.",
    "jti_replayed": "The jti has been seen: its token is refused.",
    "jti_released": "The jti was given back: its token is accepted again.",
    "cache_failed": "The replay cache failed.",
}


def reserved(*, alias: str, digest: str, reservation: Any, **kwargs: Any) -> None:
    entry = {
        "cache": alias,
        "digest": digest,
        "profile": kwargs.get("profile", ""),
        "expires_at": reservation.expires_at.timestamp(),
    }
    board.reserved(entry)
    _add("jti_reserved", digest)


def replayed(*, digest: str, **kwargs: Any) -> None:
    _add("jti_replayed", digest)


def released(*, alias: str, digest: str, **kwargs: Any) -> None:
    board.released(alias, digest)
    _add("jti_released", digest)


def failed(*, digest: str, **kwargs: Any) -> None:
    _add("cache_failed", digest)


def rolled_back(*, using: str, reservations: tuple[Any, ...], **kwargs: Any) -> None:
    held = f"It held {len(reservations)} jti."
    text = f"The transaction on the database {using!r} rolled back. {held}"
    board.add("signal", "transaction_rolled_back", text)


def connect() -> None:
    """Connect all of them."""
    signals.jti_reserved.connect(reserved)
    signals.jti_replayed.connect(replayed)
    signals.jti_released.connect(released)
    signals.cache_failed.connect(failed)
    signals.transaction_rolled_back.connect(rolled_back)


def _add(name: str, digest: str) -> None:
    board.add("signal", name, MEANINGS[name], digest)
