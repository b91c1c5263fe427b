"""
Single-use tokens for django-ninja.

::

    api = NinjaAPI()

    @api.post("/exchange", auth=JTIAuth("ci"))
    def exchange(request):
        return {"sub": request.auth["sub"]}

    add_exception_handlers(api)

Ninja turns exceptions that have a handler into answers, so that a request's transaction
commits. To roll back the work of an endpoint together with its jti, put
:func:`~jti_replay.decorators.reserve_jti` below ``@api.post``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest, HttpResponseBase
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.security.base import AuthBase

from jti_replay import conf
from jti_replay.admission.entrance import (
    Admission,
    admissions_of,
    admit_once,
    profiles_for_integration,
)
from jti_replay.admission.refusals import refuse
from jti_replay.admission.selection import profile_names
from jti_replay.conf import DEFAULT_PROFILE
from jti_replay.exceptions import CacheError, JTIReplayError
from jti_replay.kinds.bearer import Bearer
from jti_replay.profiles.kind import kind_of
from jti_replay.reservation import Reservation
from jti_replay.steps import Steps, arun, run

__all__ = ["JTIAuth", "TokenRefused", "add_exception_handlers"]

_releases: set[asyncio.Task[None]] = set()
"""Releases on event loops that are under way. The loop itself holds tasks weakly."""


class TokenRefused(HttpError):
    """
    Raised for a token that is refused or cannot be judged.

    ``response`` is the answer of its kind. Without :func:`add_exception_handlers` Ninja answers
    with the same status and a ``detail``.
    """

    def __init__(self, response: HttpResponseBase) -> None:
        body = json.loads(getattr(response, "content", b"") or b"{}")
        super().__init__(response.status_code, body.get("error_description", "Refused."))
        self.response = response


class JTIAuth(AuthBase):
    """
    Authenticates a request by a token that passes once.

    ``request.auth`` are the claims, for DPoP those of the access token. ``profile`` is the name
    of a profile, or a list of names, of which the token's issuer picks one. ``using`` is the
    database whose open transaction decides over the jti of a sync operation.

    It serves sync and async operations alike, and on an event loop nothing runs in a thread
    that would not without it. A request without a token is refused, so put it last among
    several.
    """

    openapi_type = "http"

    def __new__(cls, profile: str | Sequence[str] = DEFAULT_PROFILE, **kwargs: Any) -> JTIAuth:
        """Make an object of a class that is named after the kind: Ninja names its scheme so."""
        params = dict(conf.entries(conf.profiles())).get(profile_names(profile)[0], {})
        made: JTIAuth = object.__new__(_class_for(cls, cast("Any", kind_of(params))))
        return made

    def __init__(
        self, profile: str | Sequence[str] = DEFAULT_PROFILE, *, using: str = DEFAULT_DB_ALIAS
    ) -> None:
        super().__init__()
        self._profile_names = profile_names(profile)
        self._using = using
        # Ninja awaits what it gets on an event loop, and takes it as it is elsewhere.
        self.is_async = True

    def jti_profiles(self) -> tuple[str, ...]:
        """Return the names of the profiles, for the system checks."""
        return self._profile_names

    def __call__(self, request: HttpRequest) -> Any:
        """Return the claims, or on an event loop a coroutine that returns them."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return run(self._steps(request, using=self._using))
        return arun(self._steps(request, using=None))

    def _steps(self, request: HttpRequest, *, using: str | None) -> Steps[Mapping[str, Any]]:
        profiles = profiles_for_integration(self._profile_names)
        try:
            admission = yield from admit_once(profiles, request, using=using)
        except JTIReplayError as error:
            response = refuse(profiles[0].kind, request, error)
            raise TokenRefused(response) from error
        # Django's cache must not answer for the endpoint when the token comes again.
        request._cache_update_cache = False  # type: ignore[attr-defined]
        return admission.candidate.identity


def add_exception_handlers(api: NinjaAPI) -> None:
    """
    Give refusals the answers of their kind, and jtis back that Ninja lets come to nothing.

    Call it last: it wraps the exception handlers that the API has. What Ninja refuses before
    the endpoint runs (422, 429, a body that cannot be parsed) releases the jti: before the
    answer in a sync operation, and as soon as the event loop can in an async one. The same
    exceptions keep it when the endpoint raises them, whose work may be committed.
    """
    for exception, handler in list(api._exception_handlers.items()):
        api.add_exception_handler(exception, partial(_release_and_handle, handler))
    api.add_exception_handler(TokenRefused, _answer)


def _answer(request: HttpRequest, error: Any) -> Any:
    return error.response


def _release_and_handle(
    handler: Callable[[HttpRequest, Exception], Any], request: HttpRequest, error: Exception
) -> Any:
    if not _has_run(error):
        for admission in admissions_of(request):
            _release(admission)
    return handler(request, error)


def _has_run(error: Exception) -> bool:
    """Return whether an endpoint has run, or has begun to, before an exception was raised."""
    frames = error.__traceback__
    if frames is None:
        return False  # Ninja has made it to answer with, as for a throttle.
    inner = frames.tb_next
    return inner is None or inner.tb_frame.f_code.co_name != "_get_values"


def _release(admission: Admission) -> None:
    reservation = admission.reservation
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        with suppress(CacheError):  # It has been logged.
            reservation.release()
        return
    task = loop.create_task(_arelease(reservation))
    _releases.add(task)
    task.add_done_callback(_releases.discard)


async def _arelease(reservation: Reservation) -> None:
    with suppress(CacheError):
        await reservation.arelease()


@cache
def _class_for(cls: Any, kind: Any) -> Any:
    scheme = {"openapi_scheme": kind.__name__.lower()}
    if issubclass(kind, Bearer):
        scheme["openapi_bearerFormat"] = "JWT"
    return type(f"{kind.__name__}Auth", (cls,), scheme)
