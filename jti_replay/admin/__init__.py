"""The admin pages on which operators see and release the reservations in a database."""

from .reserved_jti import ReservedJTIAdmin

__all__ = ["ReservedJTIAdmin"]
