"""
JWTs that authenticate a client of an authorization server (RFC 7521 4.2, RFC 7523 2.2 and 3,
OpenID Connect Core 9).

- Where: the form's ``client_assertion``, with its ``client_assertion_type``, in a POST.
- What it must hold: ``iss`` and ``sub``, both the client's id, and ``client_id`` of the form if
  that was sent; one audience, one of ``AUDIENCE``. With the option ``string_audience`` it must
  be a string, as FAPI 2 asks for.
- Namespace: the client.
- Answers: RFC 6749 5.2. 401 only where a client tried ``Authorization`` as well, because there
  is no scheme to challenge with otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.checks import CheckMessage, Warning

from jti_replay.conf.rules import check_bools
from jti_replay.exceptions import RequestInvalid, TokenInvalid, TokenMissing

from .answers import json_refusal
from .base import BaseKind
from .challenges import challenge
from .forms import check_form, form_with, parameter

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from jti_replay.exceptions import TokenError

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

NOT_THE_CLIENTS = "The assertion is not signed with a key of the client."
"""What a stranger is told, who must not learn which clients there are."""


class ClientAssertion(BaseKind):
    """A client's assertion at a token endpoint, or another endpoint of the server."""

    types: ClassVar[frozenset[str]] = frozenset({"JWT", "client-authentication+jwt"})
    methods: ClassVar[tuple[str, ...] | None] = ("POST",)
    known_options: ClassVar[frozenset[str]] = frozenset({"string_audience"})
    required_settings: ClassVar[frozenset[str]] = frozenset({"AUDIENCE"})
    recommended_settings: ClassVar[frozenset[str]] = frozenset({"AUDIENCE"})

    @classmethod
    def deployment_warnings(
        cls, where: str, params: Mapping[str, Any]
    ) -> Iterable[CheckMessage]:
        """Warn of several audiences: an assertion for one server could be used at another."""
        audience = params.get("AUDIENCE")
        if isinstance(audience, list | tuple) and len(audience) > 1:
            yield Warning(
                f'{where}["AUDIENCE"] names several audiences: an assertion that was made for '
                "another server of them is accepted.",
                hint="Name this server's issuer identifier alone (RFC 7523 3).",
                id="jti_replay.W031",
            )

    @classmethod
    def check_options(cls, where: str, options: Mapping[str, Any]) -> Iterable[CheckMessage]:
        """Refuse an option of a wrong type."""
        return check_bools(where, options, ("string_audience",))

    def find(self, request: HttpRequest) -> str:
        """Return the assertion in the form."""
        check_form(request)
        assertion = parameter(request, "client_assertion")
        assertion_type = parameter(request, "client_assertion_type")
        secret = parameter(request, "client_secret")
        if not assertion:
            raise TokenMissing(
                "No client assertion was sent. Send client_assertion and "
                "client_assertion_type in the form."
            )
        if assertion_type != TYPE:
            raise TokenInvalid(f"The client_assertion_type is not {TYPE}.")
        if secret is not None or _tried_basic(request):
            raise TokenInvalid("The client authenticates in more than one way. Use one.")
        return assertion

    def check(
        self, header: Mapping[str, Any], claims: Mapping[str, Any], request: HttpRequest
    ) -> None:
        """Refuse an assertion that is not of one client, for this server alone."""
        client = claims.get("sub")
        if not isinstance(client, str) or not client:
            raise TokenInvalid("The assertion names no client (sub).", claim="sub")
        if claims.get("iss") != client:
            raise TokenInvalid(
                "The issuer of the assertion (iss) is not its client (sub).", claim="iss"
            )
        client_id = parameter(request, "client_id")
        if client_id is not None and client_id != client:
            raise TokenInvalid("The client_id is not that of the assertion.", claim="sub")
        audience = claims["aud"]
        if isinstance(audience, list) and (
            len(audience) != 1 or self.options.get("string_audience") is True
        ):
            raise TokenInvalid("The assertion is not for this server alone (aud).", claim="aud")
        request.client_id = client  # type: ignore[attr-defined]

    @cached_property
    def namespace_prefix(self) -> str:
        """What all namespaces begin with."""
        return "client_assertion:"

    def namespace(self, claims: Mapping[str, Any]) -> str:
        """Return the client: its jtis are its own (OpenID Connect Core 9)."""
        return f"{self.namespace_prefix}{claims['sub']}"

    def carry(self, token: str) -> dict[str, Any]:
        """Return the form."""
        return form_with(client_assertion_type=TYPE, client_assertion=token)

    def refuse(self, request: HttpRequest, error: TokenError) -> HttpResponse:
        """Return ``invalid_client``, or ``invalid_request`` for what is no such form."""
        if isinstance(error, RequestInvalid):
            return json_refusal(400, error.code or "invalid_request", error)
        hidden = error.claim in ("kid", "signature")
        tried_basic = _tried_basic(request)
        response = json_refusal(
            401 if tried_basic else 400,
            error.code or "invalid_client",
            NOT_THE_CLIENTS if hidden else error,
        )
        if tried_basic:
            response["WWW-Authenticate"] = challenge("Basic", realm=self.profile)
        return response


def _tried_basic(request: HttpRequest) -> bool:
    scheme: str = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")[0]
    return scheme.lower() == "basic"
