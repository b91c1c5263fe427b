"""The view decorator that lets each token pass once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction
from django.db import DEFAULT_DB_ALIAS

from jti_replay.admission.guard import Guard

from .conf import DEFAULT_PROFILE

if TYPE_CHECKING:
    from django.http import HttpRequest

View = TypeVar("View", bound=Callable[..., Any])


@overload
def reserve_jti(profile: View) -> View: ...


@overload
def reserve_jti(
    profile: str = ...,
    *,
    using: str = ...,
    atomic: bool = ...,
    release_on_error: bool = ...,
) -> Callable[[View], View]: ...


def reserve_jti(
    profile: View | str = DEFAULT_PROFILE,
    *,
    using: str = DEFAULT_DB_ALIAS,
    atomic: bool = True,
    release_on_error: bool = False,
) -> View | Callable[[View], View]:
    """
    Decorate a view so that each token of a profile passes once.

    Usable bare or with arguments, on functions that are sync or async, and through
    :func:`~django.utils.decorators.method_decorator` on class-based views. The view finds
    ``request.jwt_claims`` (dict) and ``request.jti_reservation``
    (:class:`~jti_replay.reservation.Reservation`).

    A request without a good token is answered 401, and one that cannot be judged 503
    (RFC 6750 3); the view does not run, and nothing is reserved.

    - ``profile``: its name in ``JTI_REPLAY["PROFILES"]``.
    - ``using``: the database with whose transaction the jti stands or falls.
    - ``atomic``: run a sync view in ``transaction.atomic(using)`` if no transaction is open.
    - ``release_on_error``: release the jti when the view raises an :exc:`Exception`, although
      no transaction tells what it did. Say so only of a view that has then done nothing.
    """
    if callable(profile):
        return reserve_jti()(profile)

    guard = Guard(profile, using, atomic, release_on_error)

    def decorator(view: View) -> View:
        if _is_async(view):

            @wraps(view)
            async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return await guard.acall(view, request, *args, **kwargs)

        else:

            @wraps(view)
            def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return guard.call(view, request, *args, **kwargs)

        return cast("View", guarded)

    return decorator


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
