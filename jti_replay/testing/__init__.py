"""
What tests use: tokens that a profile accepts, assertions of what became of them, and a
conformance test for backends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .consumption import assert_consumed, assert_not_consumed
    from .replay_cache_tests import ReplayCacheTests
    from .token_factory import TokenFactory

__all__ = ["ReplayCacheTests", "TokenFactory", "assert_consumed", "assert_not_consumed"]

_MODULES = {
    "ReplayCacheTests": "replay_cache_tests",
    "TokenFactory": "token_factory",
    "assert_consumed": "consumption",
    "assert_not_consumed": "consumption",
}


def __getattr__(name: str) -> Any:
    # Imported when they are asked for: pytest loads the plugin of this package before Django
    # has settings.
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
