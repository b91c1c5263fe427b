"""System checks of the profiles that decorated views ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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
    layer = callback
    while layer is not None:
        guard = vars(layer).get("jti_guard") if hasattr(layer, "__dict__") else None
        if isinstance(guard, Guard):
            yield _name(cls or callback), guard.profiles
        layer = getattr(layer, "__wrapped__", None)
    for integration in _integrations(cls):
        yield _name(cls), integration.jti_profiles()
    for cell in getattr(callback, "__closure__", None) or ():
        # A view of django-ninja holds operations, each with what authenticates it.
        for operation in getattr(cell.cell_contents, "operations", ()):
            for auth in getattr(operation, "auth_callbacks", ()):
                if hasattr(auth, "jti_profiles"):
                    yield _name(operation.view_func), auth.jti_profiles()
    for name in ("dispatch", *getattr(cls, "http_method_names", ())):
        guard = getattr(getattr(cls, name, None), "jti_guard", None)
        if isinstance(guard, Guard):
            yield _name(cls), guard.profiles


def _integrations(cls: Any) -> Iterator[Any]:
    """Return the authentication and permission classes of REST framework that reserve."""
    asked = [
        *getattr(cls, "authentication_classes", ()),
        *getattr(cls, "permission_classes", ()),
    ]
    while asked:
        integration = asked.pop(0)
        if hasattr(integration, "jti_profiles"):
            yield integration
        # Permissions are combined by & and |.
        operands = ("op1_class", "op2_class")
        asked += [getattr(integration, name) for name in operands if hasattr(integration, name)]


def _name(view: Any) -> str:
    return f"{view.__module__}.{getattr(view, '__qualname__', type(view).__qualname__)}"
