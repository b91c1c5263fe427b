"""A replay cache in a database of the project, where the jti commits with the work."""

from .cache import DatabaseCache

__all__ = ["DatabaseCache"]
