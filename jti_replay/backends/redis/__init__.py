"""A replay cache in Redis or Valkey, shared by all hosts of a site."""

from .cache import RedisCache

__all__ = ["RedisCache"]
