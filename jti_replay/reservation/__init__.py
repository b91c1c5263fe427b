"""A jti that is held in a replay cache. Nothing here knows a request or a store."""

from .reservation import Reservation

__all__ = ["Reservation"]
