"""
The requests that use no token up: those whose method a class-based view has no handler for,
and OPTIONS, which the view answers by itself. A browser's preflight carries no token.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any


def goes_unjudged(handled: Collection[str] | None, method: str | None) -> bool:
    """
    Return whether a request goes to the view although nothing is known of its token.

    ``handled`` is what :func:`handled_methods` says of the view.
    """
    if handled is None:
        return False
    return method == "OPTIONS" or (method or "").lower() not in handled


def handled_methods(view: Callable[..., Any]) -> Collection[str] | None:
    """
    Return the methods, in lower case, that a class-based view has handlers for, or None for
    another view.

    The view is ``dispatch()`` of an object, as method_decorator() hands it over, or what
    ``as_view()`` returned, of Django or of REST framework.
    """
    layer: Any = view
    while layer is not None:
        if isinstance(layer, partial):
            layer = layer.func
        owner = getattr(layer, "__self__", None)
        if owner is not None and layer.__name__ == "dispatch":
            return _handled(owner, getattr(owner, "http_method_names", ()))
        cls = getattr(layer, "view_class", None) or getattr(layer, "cls", None)
        if cls is not None:
            return _handled_by_class(layer, cls)
        layer = getattr(layer, "__wrapped__", None)
    return None


def _handled_by_class(view: Any, cls: type) -> Collection[str] | None:
    initkwargs = getattr(view, "view_initkwargs", None) or getattr(view, "initkwargs", {})
    names = initkwargs.get("http_method_names", getattr(cls, "http_method_names", ()))
    # A view set of REST framework maps methods to its own names for them.
    actions = getattr(view, "actions", None)
    if actions is not None:
        return {*actions, *(("head",) if "get" in actions else ())}
    return _handled(cls, names)


def _handled(owner: Any, names: Collection[str]) -> Collection[str] | None:
    handled = {name for name in names if hasattr(owner, name)}
    if handled <= {"options"}:
        return None  # It has a dispatch() of its own, which knows what it answers.
    if "get" in handled and "head" in names:
        handled.add("head")
    return handled
