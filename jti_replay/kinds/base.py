"""What a kind of token decides: where it is found, what it must hold, and the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from jti_replay.exceptions import TokenReplayed

from .answers import json_refusal, unavailable

if TYPE_CHECKING:
    from django.core.checks import CheckMessage
    from django.http import HttpRequest, HttpResponse, HttpResponseBase

    from jti_replay.exceptions import TokenError


class BaseKind:
    """
    A kind of token. A subclass is named by its dotted path in ``KIND`` of a profile.

    It does no I/O, so that it serves sync views and event loops alike. There is one object for
    each profile, and threads share it.

    ``profile`` is the name of the profile, ``options`` its ``OPTIONS``.
    """

    types: ClassVar[frozenset[str]] = frozenset()
    """
    The ``typ`` values that are accepted (RFC 7515 4.1.9), as media types. With ``"JWT"`` a
    token may lack it. Empty: any but those of the other kinds.
    """

    methods: ClassVar[tuple[str, ...] | None] = None
    """The HTTP methods that are answered, or None for all. Others are answered 405."""

    reading_methods: ClassVar[tuple[str, ...]] = ()
    """The HTTP methods for which a token is verified, and nothing is reserved."""

    unjudged_methods: ClassVar[tuple[str, ...]] = ()
    """The HTTP methods that go to the view although nothing is known of the token."""

    known_options: ClassVar[frozenset[str]] = frozenset()
    """The names that ``OPTIONS`` may hold."""

    requires_exp: ClassVar[bool] = True
    """Whether a token needs an ``exp`` (RFC 7519 4.1.4). One that is there is obeyed."""

    key_in_header: ClassVar[bool] = False
    """Whether a token brings the key that it is verified with (``jwk``; RFC 7515 4.1.3)."""

    takes_events: ClassVar[bool] = False
    """Whether a token may have ``events``, as only security events have (RFC 8417 2.2)."""

    shapes_answers: ClassVar[bool] = False
    """Whether the endpoint has answers of its own, so that it needs the decorator."""

    releases_failures: ClassVar[bool] = False
    """Whether an answer other than 2xx releases the jti, because the sender tries again."""

    required_settings: ClassVar[frozenset[str]] = frozenset()
    """The keys that a profile of this kind needs, beside ``ALGORITHMS`` and the key."""

    unused_settings: ClassVar[frozenset[str]] = frozenset()
    """The keys that a profile of this kind does not have."""

    recommended_settings: ClassVar[frozenset[str]] = frozenset({"AUDIENCE", "ISSUER"})
    """The keys without which ``manage.py check --deploy`` warns."""

    algorithms: tuple[str, ...] = ()
    """``ALGORITHMS`` of the profile."""

    audiences: tuple[str, ...] = ()
    """``AUDIENCE`` of the profile."""

    lease: float | None = None
    """
    For how many seconds a claim stands for the jti while the view runs, which must outlive
    it. None: the jti itself is reserved before the view runs.
    """

    max_age: float | None = None
    """How old ``iat`` may be, in seconds, which is then required. ``MAX_AGE`` replaces it."""

    judges_iat: bool = True
    """Whether ``iat`` is held against the clock."""

    def __init__(self, profile: str, options: Mapping[str, Any]) -> None:
        self.profile = profile
        self.options = options

    @classmethod
    def default_settings(cls, profile: str) -> Mapping[str, Any]:
        """Return the settings that a profile of this kind has unless it says otherwise."""
        return {}

    @classmethod
    def needs_access_token(cls, options: Mapping[str, Any]) -> bool:
        """Return whether an access token that is bound to the token's key comes with it."""
        return False

    @classmethod
    def check_options(cls, where: str, options: Mapping[str, Any]) -> Iterable[CheckMessage]:
        """Return what cannot work in ``OPTIONS``, beyond names that are not known."""
        return ()

    @classmethod
    def deployment_warnings(
        cls, where: str, params: Mapping[str, Any]
    ) -> Iterable[CheckMessage]:
        """Return what ``check --deploy`` warns of in the settings of a profile."""
        return ()

    def find(self, request: HttpRequest) -> str:
        """
        Return the token of a request.

        Raises :exc:`~jti_replay.TokenMissing` if there is none,
        :exc:`~jti_replay.RequestInvalid` if the request cannot carry one, and
        :exc:`~jti_replay.TokenInvalid` if what it carries is not one token.
        """
        raise NotImplementedError("A kind must provide find().")

    def check(
        self, header: Mapping[str, Any], claims: Mapping[str, Any], request: HttpRequest
    ) -> None:
        """
        Judge what this kind asks for beyond signature, issuer, audience, times and jti.

        All of these have been verified. Raises :exc:`~jti_replay.TokenInvalid`.
        """

    @cached_property
    def namespace_prefix(self) -> str:
        """What all namespaces begin with, by which operators find reservations."""
        return f"kind:{self.quoted_profile}:"

    def namespace(self, claims: Mapping[str, Any]) -> str:
        """
        Return the namespace in which the jti is unique, one that no other kind has.

        A token that brings its key has it in ``cnf`` here, as ``jwk`` (RFC 7800 3.2).
        """
        return f"{self.namespace_prefix}{claims.get('iss', '')}"

    def expires_at(self, claims: Mapping[str, Any]) -> float | None:
        """
        Return the last moment at which the token is accepted, in seconds since 1970, without
        ``LEEWAY``, which is added.
        """
        exp: float | None = claims.get("exp")
        return exp

    def made_at(self, claims: Mapping[str, Any]) -> float | None:
        """
        Return since when the token can have been used, in seconds since 1970, less ``LEEWAY``.
        None: it does not say.
        """
        made: float | None = claims.get("iat", claims.get("nbf"))
        return made

    def refuse(self, request: HttpRequest, error: TokenError) -> HttpResponse:
        """Return the answer to a request whose token is missing or refused."""
        return json_refusal(400, error.code or "invalid_token", error)

    def replayed(self, request: HttpRequest) -> HttpResponse:
        """Return the answer to a request whose token has been used."""
        return self.refuse(request, TokenReplayed("The token has already been used."))

    def unavailable(self, request: HttpRequest, error: Exception) -> HttpResponse:
        """Return the answer to a request whose token cannot be judged at present: 503."""
        return unavailable(error)

    def finish(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the answer as it goes out, the view's as well as those above."""
        return response

    def carry(self, token: str) -> dict[str, Any]:
        """
        Return the keyword arguments with which Django's test client sends a token:
        ``headers``, or ``data`` and ``content_type``.
        """
        raise NotImplementedError("A kind must provide carry() for tests that send tokens.")

    @cached_property
    def quoted_profile(self) -> str:
        """The name of the profile, fit to stand before a colon in a namespace."""
        return quote(self.profile, safe="")
