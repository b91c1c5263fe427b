"""
Logout tokens that an OpenID provider sends (OpenID Connect Back-Channel Logout 1.0).

- Where: the form's ``logout_token``, in a POST (2.5).
- What it must hold (2.4, 2.6): the logout event, ``iat``, ``sub`` or ``sid`` or both, no
  ``nonce``, and no audience that is not in ``AUDIENCE``.
- Namespace: the provider.
- Answers: 400 ``invalid_request``, ``no-store`` on all of them (2.8). An answer of the view
  other than 2xx releases the jti, because the provider may send the token once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from jti_replay.exceptions import TokenInvalid, TokenMissing

from .answers import json_refusal
from .base import BaseKind
from .forms import check_form, form_with, parameter

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse, HttpResponseBase

    from jti_replay.exceptions import TokenError

EVENT = "http://schemas.openid.net/event/backchannel-logout"
"""The event that makes a token a logout token (2.4)."""


class LogoutToken(BaseKind):
    """A provider's word that a user has logged out."""

    types: ClassVar[frozenset[str]] = frozenset({"JWT", "logout+jwt"})
    methods: ClassVar[tuple[str, ...] | None] = ("POST",)
    required_settings: ClassVar[frozenset[str]] = frozenset({"AUDIENCE", "ISSUER"})
    shapes_answers: ClassVar[bool] = True
    takes_events: ClassVar[bool] = True
    releases_failures: ClassVar[bool] = True

    def find(self, request: HttpRequest) -> str:
        """Return the token in the form."""
        check_form(request)
        token = parameter(request, "logout_token")
        if not token:
            raise TokenMissing("No logout token was sent. Send logout_token in the form.")
        return token

    def check(
        self, header: Mapping[str, Any], claims: Mapping[str, Any], request: HttpRequest
    ) -> None:
        """Refuse what is not a logout token for this client (2.6)."""
        audience = claims["aud"]
        strangers = set(audience) - set(self.audiences) if isinstance(audience, list) else ()
        if strangers:
            raise TokenInvalid("The token is for other clients as well (aud).", claim="aud")
        if "iat" not in claims:
            raise TokenInvalid("The token has no time of issue (iat).", claim="iat")
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
            raise TokenInvalid("The token has no logout event (events).", claim="events")
        if "nonce" in claims:
            raise TokenInvalid("The token has a nonce, as an ID token has.", claim="nonce")
        named = [claims[name] for name in ("sub", "sid") if name in claims]
        if not named or not all(isinstance(value, str) and value for value in named):
            raise TokenInvalid("The token names no user or session (sub, sid).", claim="sub")

    @cached_property
    def namespace_prefix(self) -> str:
        """What all namespaces begin with."""
        return "logout_token:"

    def namespace(self, claims: Mapping[str, Any]) -> str:
        """Return the provider."""
        return f"{self.namespace_prefix}{claims['iss']}"

    def carry(self, token: str) -> dict[str, Any]:
        """Return the form."""
        return form_with(logout_token=token)

    def refuse(self, request: HttpRequest, error: TokenError) -> HttpResponse:
        """Return 400 (2.8)."""
        return json_refusal(400, error.code or "invalid_request", error)

    def finish(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return an answer that no cache may keep, whatever the view says (2.8)."""
        response["Cache-Control"] = "no-store"
        return response
