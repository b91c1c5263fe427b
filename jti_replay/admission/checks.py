"""System checks of the profiles that decorated views ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver

from jti_replay import conf

from .selection import usable_together
from .view import Guard


def check_views() -> list[CheckMessage]:
    """Refuse the views of the project whose profiles do not exist, or do not go together."""
    messages: list[CheckMessage] = []
    profiles = conf.profiles()
    if not isinstance(profiles, dict):
        return messages
    for view, names in _guarded_views():
        missing = [name for name in names if name not in profiles]
        messages += [
            Error(
                f"The view {view} asks for the profile {name!r}, which "
                f'{conf.SETTING}["PROFILES"] does not have.',
                hint=f"Use one of {', '.join(map(repr, profiles)) or 'none'}, or add it.",
                id="jti_replay.E045",
            )
            for name in missing
        ]
        if not missing and len(names) > 1:
            messages += _check_together(view, names)
    return messages


def _check_together(view: str, names: tuple[str, ...]) -> Iterable[CheckMessage]:
    try:
        usable_together(names)
    except ImproperlyConfigured as error:
        yield Error(
            f"The view {view}: {error}",
            hint="Profiles that are used together need one KIND, and an ISSUER of their own.",
            id="jti_replay.E046",
        )


def _guarded_views() -> Iterator[tuple[str, tuple[str, ...]]]:
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    seen = set()
    for callback in _callbacks(get_resolver().url_patterns):
        for use in _guards(callback):
            if use not in seen:
                seen.add(use)
                yield use


def _callbacks(patterns: Iterable[Any]) -> Iterator[Callable[..., Any]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _callbacks(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            yield pattern.callback


def _guards(callback: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    cls = getattr(callback, "view_class", None) or getattr(callback, "cls", None)
    for guard in _decorators(callback):
        yield _name(cls or callback), guard.profiles
    for integration in _integrations(callback, cls):
        yield _name(cls), integration.jti_profiles()
    for operation in _operations(callback):
        for auth in getattr(operation, "auth_callbacks", ()):
            if hasattr(auth, "jti_profiles"):
                yield _name(operation.view_func), auth.jti_profiles()
        for layer in (operation.view_func, operation.run):
            for guard in _decorators(layer):
                yield _name(operation.view_func), guard.profiles
    actions = getattr(callback, "actions", None)  # Those of a view set, by method.
    names = actions.values() if isinstance(actions, dict) else ()
    for name in ("dispatch", *getattr(cls, "http_method_names", ()), *names):
        for guard in _decorators(getattr(cls, name, None)):
            yield _name(cls), guard.profiles


def _decorators(layer: Any) -> Iterator[Guard]:
    """Return the guards around a view, whatever other decorators are between them."""
    while layer is not None:
        # The handlers of REST framework's api_view() hold the function, and do not wrap it.
        for held in (layer, *_held(layer)):
            guard = vars(held).get("jti_guard") if hasattr(held, "__dict__") else None
            if isinstance(guard, Guard):
                yield guard
        layer = getattr(layer, "__wrapped__", None)


def _held(function: Any) -> Iterator[Any]:
    """Return what a function refers to from where it was defined."""
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # Nothing is there yet.
            yield cell.cell_contents


def _operations(callback: Any) -> Iterator[Any]:
    """Return the operations that a view of django-ninja holds."""
    for held in _held(callback):
        yield from getattr(held, "operations", ())


def _integrations(callback: Any, cls: Any) -> Iterator[Any]:
    """Return the authentication and permission classes of REST framework that reserve."""
    # Arguments of as_view(), and options of an action, take the place of what the class has.
    options = getattr(callback, "initkwargs", {})
    for name in ("authentication_classes", "permission_classes"):
        for integration in options.get(name, getattr(cls, name, ())):
            for part in _parts(integration):
                if hasattr(part, "jti_profiles"):
                    yield part


def _parts(integration: Any) -> Iterator[Any]:
    """Return a class, and those that are combined in it: permissions are by & and |."""
    yield integration
    for name in ("op1_class", "op2_class"):
        if hasattr(integration, name):
            yield from _parts(getattr(integration, name))


def _name(view: Any) -> str:
    return f"{view.__module__}.{getattr(view, '__qualname__', type(view).__qualname__)}"
