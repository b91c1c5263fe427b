"""A replay cache in the memory of one process."""

from .cache import InMemoryCache

__all__ = ["InMemoryCache"]
