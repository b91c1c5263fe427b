"""
Single-use tokens for Django REST framework.

::

    class CIAuthentication(JTIAuthentication):
        profile = "ci"


    class Exchange(APIView):
        authentication_classes = [CIAuthentication]
        permission_classes = [IsAuthenticated]

Under ``ATOMIC_REQUESTS`` the jti stands or falls with the request's transaction. Without it,
put :func:`~jti_replay.decorators.reserve_jti` on ``dispatch``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import DEFAULT_DB_ALIAS
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from jti_replay.admission.admit import Candidate
from jti_replay.admission.entrance import admit_once, judge_by, profiles_for_integration
from jti_replay.admission.refusals import finish, refuse
from jti_replay.admission.selection import profile_names
from jti_replay.conf import DEFAULT_PROFILE
from jti_replay.exceptions import JTIReplayError, TokenMissing
from jti_replay.profiles import Profile
from jti_replay.steps import run

if TYPE_CHECKING:
    from django.http import HttpResponseBase

__all__ = ["JTIAuthentication", "SingleUse", "TokenUser"]

Accept: TypeAlias = Callable[[Candidate], None]

REFUSED = "_jti_refused"
"""The attribute of a request whose token was refused that holds the refusal."""

FINISHES = "_jti_finishes"
"""The attribute of a view whose answers are finished."""


class TokenUser:
    """The user that a token stands for: known by ``sub``, and without permissions."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    def __init__(self, claims: Mapping[str, Any]) -> None:
        self.claims = claims
        self.id = self.pk = claims.get("sub")

    def __str__(self) -> str:
        return str(self.pk)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenUser) and self.claims == other.claims

    def __hash__(self) -> int:
        return hash(self.pk)

    def get_username(self) -> str:
        """Return the claim ``sub``."""
        return str(self.pk)

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Return False: a token has no permissions of Django's."""
        return False

    def has_perms(self, perm_list: Sequence[str], obj: object = None) -> bool:
        """Return whether none is asked for."""
        return not perm_list

    def has_module_perms(self, app_label: str) -> bool:
        """Return False: a token has no permissions of Django's."""
        return False


class Refused(APIException):
    """The answer of a kind to a token that is refused or cannot be judged."""

    def __init__(self, response: HttpResponseBase) -> None:
        body = json.loads(getattr(response, "content", b"") or b"{}")
        super().__init__(body)
        self.detail = body
        self.status_code = response.status_code
        self.headers = {
            name: value
            for name, value in response.headers.items()
            if name not in ("Content-Type", "Content-Length")
        }
        # What REST framework's exception handler puts into the answer.
        if "WWW-Authenticate" in self.headers:
            self.auth_header = self.headers["WWW-Authenticate"]
        if "Retry-After" in self.headers:
            self.wait = int(self.headers["Retry-After"])


class Gate:
    """What the authentication class and the permission share."""

    profile: str | Sequence[str] = DEFAULT_PROFILE
    """The name of the profile, or a list of names, of which the token's issuer picks one."""

    using: str = DEFAULT_DB_ALIAS
    """The database whose open transaction decides over the jti."""

    @classmethod
    def jti_profiles(cls) -> tuple[str, ...]:
        """Return the names of the profiles, for the system checks."""
        return profile_names(cls.profile)

    def profiles(self) -> tuple[Profile, ...]:
        """Return the profiles. Raises ImproperlyConfigured if they cannot work here."""
        return profiles_for_integration(self.jti_profiles())

    def admit(self, request: Request, accept: Accept | None = None) -> None:
        """Admit a request once, however often it is asked about."""
        profiles, http_request = self.profiles(), request._request
        _finish_answers(request, profiles[0])
        refused: Refused | None = getattr(http_request, REFUSED, None)
        if refused is not None:
            raise refused
        try:
            run(admit_once(profiles, http_request, using=self.using, accept=accept))
        except JTIReplayError as error:
            refused = Refused(refuse(profiles[0].kind, http_request, error))
            setattr(http_request, REFUSED, refused)
            raise refused from error

    def look(self, request: Request) -> Candidate | None:
        """Verify the token of a request that is not to use it up. None if it is refused."""
        try:
            return run(judge_by(self.profiles(), request._request))
        except JTIReplayError:
            return None


class JTIAuthentication(Gate, BaseAuthentication):
    """
    Authenticates a request by a token that passes once.

    ``request.user`` is what :meth:`get_user` returns, and ``request.auth`` are the claims, for
    DPoP those of the access token. A request without a token is refused, so put the class last
    among several.
    """

    def authenticate(self, request: Request) -> tuple[Any, Mapping[str, Any]] | None:
        """
        Return the user and the claims.

        A method that has no handler, and OPTIONS, use nothing up: they go on with the user of
        a token that is good, or without one.
        """
        authenticated: list[tuple[Any, Mapping[str, Any]]] = []

        def accept(candidate: Candidate) -> None:
            claims = candidate.identity
            authenticated.append((self.get_user(claims), claims))

        if _uses_up(request):
            self.admit(request, accept)
        elif candidate := self.look(request):
            accept(candidate)
        return authenticated[0] if authenticated else None

    def authenticate_header(self, request: Request) -> str | None:
        """Return the challenge of the kind, or None where it has none."""
        refusal = self.profiles()[0].kind.refuse(request._request, TokenMissing())
        challenge: str | None = refusal.headers.get("WWW-Authenticate")
        return challenge

    def get_user(self, claims: Mapping[str, Any]) -> Any:
        """
        Return the user that the claims stand for, by default a :class:`TokenUser`.

        It runs before the jti is reserved: raise
        :exc:`rest_framework.exceptions.AuthenticationFailed` to refuse, and nothing is used up.
        """
        return TokenUser(claims)


class SingleUse(Gate, BasePermission):
    """
    Lets each token pass once that another class has authenticated.

    Put it last, combined by ``&`` and not by ``|``, so that it reserves nothing for a request
    that another permission refuses. Throttles run after permissions: a request that is
    answered 429 has used its token up, unless a transaction takes that back.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Verify the token by the profile, and reserve its jti."""
        if _uses_up(request):
            self.admit(request)
        return True


def _uses_up(request: Request) -> bool:
    """Return whether a request runs a handler, now. A clone of it may only draw a page."""
    view = (request.parser_context or {}).get("view")
    if view is None:
        return True
    method = request._request.method.lower()
    return (
        method != "options"
        and method in view.http_method_names
        and hasattr(view, method)
        and not hasattr(view, "response")  # dispatch() has not made the answer yet.
    )


def _finish_answers(request: Request, profile: Profile) -> None:
    """Let the answers of the view carry what the kind adds to them, and ``no-store``."""
    view = (request.parser_context or {}).get("view")
    if view is None or FINISHES in vars(view):
        return
    finalize, http_request = view.finalize_response, request._request

    def finalize_response(*args: Any, **kwargs: Any) -> Any:
        response = finalize(*args, **kwargs)
        refused: Refused | None = getattr(http_request, REFUSED, None)
        if refused is not None and getattr(response, "exception", False):
            for name, value in refused.headers.items():
                response.headers.setdefault(name, value)
        return finish(profile.kind, http_request, response)

    view.finalize_response = finalize_response
    setattr(view, FINISHES, True)
