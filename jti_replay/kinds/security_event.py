"""
Security Event Tokens that a transmitter pushes (RFC 8417, RFC 8935).

- Where: the body of a POST, of the type ``application/secevent+jwt`` (RFC 8935 2.1).
- What it must hold: ``iss``, ``aud``, ``iat``, and ``events``, an object of objects
  (RFC 8417 2.2). It needs no ``exp``: ``iat`` may be ``MAX_AGE`` old, a week by default.
- Namespace: the profile and the issuer, because a jti is unique within a feed (RFC 8417 2.2).
- Answers: RFC 8935 2.3. An event that has been taken before is answered 202, as if it had not
  (2.2). One that is being processed at present is answered 503, because the first attempt may
  still fail: then the view runs again. An answer of the view other than 2xx releases the jti.

Where the jti is not part of the view's transaction, a claim for ``lease`` seconds, an option,
stands for it until the view has ended. The lease must outlive the view.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.checks import CheckMessage, Error
from django.http import HttpResponse, JsonResponse

from jti_replay.conf.rules import check_seconds
from jti_replay.exceptions import RequestInvalid, TokenInvalid, TokenMissing

from .base import BaseKind
from .forms import media_type
from .logout_token import EVENT as LOGOUT

if TYPE_CHECKING:
    from django.http import HttpRequest

    from jti_replay.exceptions import TokenError

MEDIA_TYPE = "application/secevent+jwt"
DEFAULT_LEASE = 300
WEEK = 604800

CODES = {
    "iss": "invalid_issuer",
    "aud": "invalid_audience",
    "alg": "invalid_key",
    "kid": "invalid_key",
    "signature": "invalid_key",
}
"""The error codes of RFC 8935 2.4, by the claim that is refused."""


class SecurityEvent(BaseKind):
    """A transmitter's word that something has happened to an account."""

    types: ClassVar[frozenset[str]] = frozenset({"JWT", "secevent+jwt"})
    methods: ClassVar[tuple[str, ...] | None] = ("POST",)
    shapes_answers: ClassVar[bool] = True
    known_options: ClassVar[frozenset[str]] = frozenset({"lease"})
    required_settings: ClassVar[frozenset[str]] = frozenset({"AUDIENCE", "ISSUER"})
    requires_exp: ClassVar[bool] = False
    takes_events: ClassVar[bool] = True
    releases_failures: ClassVar[bool] = True
    max_age: float | None = WEEK

    def __init__(self, profile: str, options: Mapping[str, Any]) -> None:
        super().__init__(profile, options)
        self.lease = options.get("lease", DEFAULT_LEASE)

    @classmethod
    def check_options(cls, where: str, options: Mapping[str, Any]) -> Iterable[CheckMessage]:
        """Refuse a lease that is no time."""
        if "lease" not in options:
            return
        yield from check_seconds(f'{where}["lease"]', options["lease"])
        if options["lease"] == 0:
            yield Error(
                f'{where}["lease"] is 0: a duplicate would run beside the first attempt.',
                hint="Set it to more seconds than the view ever takes.",
                id="jti_replay.E014",
            )

    def find(self, request: HttpRequest) -> str:
        """Return the body."""
        if media_type(request) != MEDIA_TYPE:
            raise RequestInvalid(
                f"The request is not a security event. Send it as {MEDIA_TYPE}."
            )
        try:
            token = request.body.decode("ascii").strip()
        except UnicodeDecodeError:
            raise TokenInvalid("The token is malformed.") from None
        if not token:
            raise TokenMissing("No security event was sent. Send one as the body.")
        return token

    def check(
        self, header: Mapping[str, Any], claims: Mapping[str, Any], request: HttpRequest
    ) -> None:
        """Refuse what is not a security event (RFC 8417 2.2)."""
        events = claims.get("events")
        if (
            not isinstance(events, dict)
            or not events
            or not all(isinstance(event, dict) for event in events.values())
        ):
            raise TokenInvalid("The token has no events (events).", claim="events")
        if LOGOUT in events and "secevent" not in str(header.get("typ", "")).lower():
            raise TokenInvalid("The token is a logout token (events).", claim="events")

    @cached_property
    def namespace_prefix(self) -> str:
        """What all namespaces begin with."""
        return f"security_event:{self.quoted_profile}:"

    def namespace(self, claims: Mapping[str, Any]) -> str:
        """Return the feed: the profile and the issuer."""
        return f"{self.namespace_prefix}{claims['iss']}"

    def expires_at(self, claims: Mapping[str, Any]) -> float | None:
        """Return the end of the time for which events are accepted."""
        issued: float = claims["iat"]
        return issued + (self.max_age or 0)

    def carry(self, token: str) -> dict[str, Any]:
        """Return the body."""
        return {"data": token, "content_type": MEDIA_TYPE}

    def refuse(self, request: HttpRequest, error: TokenError) -> HttpResponse:
        """Return 400, or 415 for another media type, with ``err`` and ``description``."""
        is_type = isinstance(error, RequestInvalid)
        response = JsonResponse(
            {
                "err": error.code or CODES.get(error.claim or "", "invalid_request"),
                "description": str(error),
            },
            status=415 if is_type else 400,
        )
        response["Content-Language"] = "en"
        response["Cache-Control"] = "no-store"
        return response

    def replayed(self, request: HttpRequest) -> HttpResponse:
        """Return 202 without a body, as the first time (RFC 8935 2)."""
        return HttpResponse(status=202)
