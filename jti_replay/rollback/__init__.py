"""Release or keep a reservation when the transaction ends that it is bound to."""

from .binding import release_on_rollback

__all__ = ["release_on_rollback"]
