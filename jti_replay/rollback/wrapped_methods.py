"""Methods of one object that are wrapped, while its class stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any


def wrap_method(wrapped_object: Any, name: str, replacement: Callable[..., Any]) -> None:
    """Let a method of an object call another with the original method and its arguments."""
    own = vars(wrapped_object).get(name)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        # Looked up at each call, so that patches of the class made later on still work.
        original = own or MethodType(getattr(type(wrapped_object), name), wrapped_object)
        return replacement(original, *args, **kwargs)

    setattr(wrapped_object, name, wrapper)
