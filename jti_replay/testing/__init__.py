"""Tests for backends of one's own."""

from .replay_cache_tests import ReplayCacheTests

__all__ = ["ReplayCacheTests"]
