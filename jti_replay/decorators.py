"""The decorator that lets each token reach a view once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, wraps
from inspect import get_annotations, isfunction, signature
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction
from django.db import DEFAULT_DB_ALIAS

from .admission.methods import goes_unjudged, handled_methods
from .admission.selection import profile_names
from .admission.view import Guard
from .conf import DEFAULT_PROFILE

if TYPE_CHECKING:
    from django.http import HttpRequest

View = TypeVar("View", bound=Callable[..., Any])


@overload
def reserve_jti(profile: View) -> View: ...


@overload
def reserve_jti(
    profile: str | Sequence[str] = ...,
    *,
    using: str = ...,
    atomic: bool = ...,
    release_on_error: bool = ...,
) -> Callable[[View], View]: ...


def reserve_jti(
    profile: View | str | Sequence[str] = DEFAULT_PROFILE,
    *,
    using: str = DEFAULT_DB_ALIAS,
    atomic: bool = True,
    release_on_error: bool = False,
) -> View | Callable[[View], View]:
    """
    Decorate a view so that each token of a profile passes once.

    Usable bare or with arguments, on functions that are sync or async, and through
    :func:`~django.utils.decorators.method_decorator` on class-based views. The view finds
    ``request.jwt_claims`` (dict), ``request.jti_reservation``
    (:class:`~jti_replay.reservation.Reservation`) and ``request.jwt_header`` (dict).

    A request without a good token gets the answer of the profile's kind, for a bearer token
    401, and one that cannot be judged 503; the view does not run, and nothing is reserved. A
    profile that does not exist, or cannot work, raises
    :exc:`~django.core.exceptions.ImproperlyConfigured` at each request.

    Around a class-based view, OPTIONS and methods without a handler go to the view unjudged.

    - ``profile``: its name in ``JTI_REPLAY["PROFILES"]``, or a list of names, of which the
      token's issuer picks one.
    - ``using``: the database whose transaction decides over the jti.
    - ``atomic``: run a sync view in ``transaction.atomic(using)`` if no transaction is open.
    - ``release_on_error``: release the jti when the view raises an :exc:`Exception`, and mark
      the transaction for rollback if there is one. Say so only of a view that has then done
      nothing.

    Raises :exc:`TypeError` for a ``profile`` that is no str, and no list of them.
    """
    if callable(profile):
        return reserve_jti()(profile)

    return partial(
        _guarded, guard=Guard(profile_names(profile), using, atomic, release_on_error)
    )


def _guarded(view: View, *, guard: Guard) -> View:
    handled = handled_methods(view)

    if _is_async(view):

        @wraps(view)
        async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if goes_unjudged(handled, request.method):
                return await view(request, *args, **kwargs)
            return await guard.acall(view, request, *args, **kwargs)

    else:

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if goes_unjudged(handled, request.method):
                return view(request, *args, **kwargs)
            return guard.call(view, request, *args, **kwargs)

    guarded.jti_guard = guard  # type: ignore[attr-defined]  # For the system checks.
    _keep_signature(guarded, view)
    return cast("View", guarded)


def _keep_signature(guarded: Any, view: Callable[..., Any]) -> None:
    """
    Keep the annotations of a view that are text where a framework can read them.

    django-ninja takes the parameters of an endpoint from its signature, and looks such names
    up in the module of the outermost function.
    """
    if not isfunction(view) or not any(
        isinstance(annotation, str) for annotation in get_annotations(view).values()
    ):
        return
    with suppress(Exception):  # A name may be there for type checkers alone.
        guarded.__signature__ = signature(view, eval_str=True)


def _is_async(view: Callable[..., Any]) -> bool:
    """
    Return whether a view is to be awaited.

    ``dispatch()`` of a class with async handlers is not marked as a coroutine function,
    although it returns a coroutine. method_decorator() passes it as a partial of the bound
    method, and other decorators may stand in between.
    """
    layer: Any = view
    while layer is not None:
        if iscoroutinefunction(layer):
            return True
        if isinstance(layer, partial):
            return bool(getattr(getattr(layer.func, "__self__", None), "view_is_async", False))
        layer = getattr(layer, "__wrapped__", None)
    return False
