"""Functions of a project that its settings name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

DOTTED_PATH = re.compile(r"[^\W\d]\w*([.:][^\W\d]\w*)+")
"""The form of a path of a function. Some write a colon before its name."""


def looks_like_path(value: object) -> bool:
    """Return whether a setting looks like the dotted path of a function."""
    return isinstance(value, str) and DOTTED_PATH.fullmatch(value) is not None


def function_at(path: str, setting: str) -> Callable[..., Any]:
    """
    Return the function at a dotted path.

    Raises :exc:`~django.core.exceptions.ImproperlyConfigured`, with the name of the setting,
    if there is none.
    """
    try:
        function = import_string(path)
    except Exception as error:  # The module may raise anything.
        raise ImproperlyConfigured(
            f"{setting} looks like the path of a function, but cannot be imported: {error}"
        ) from error
    if not callable(function):
        raise ImproperlyConfigured(f"{setting} is the path of something that cannot be called.")
    return function  # type: ignore[no-any-return]


def is_async(function: object) -> bool:
    """Return whether a function, or the ``__call__()`` of an object, is asynchronous."""
    return any(map(iscoroutinefunction, (function, type(function).__call__)))


def sync_function(function: Callable[..., Any], setting: str) -> Callable[..., Any]:
    """
    Return a function that is not asynchronous.

    Raises :exc:`~django.core.exceptions.ImproperlyConfigured` for one that is.
    """
    if is_async(function):
        raise ImproperlyConfigured(f"{setting} is an async function. Make it a sync one.")
    return function
