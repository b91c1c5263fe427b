"""
JWTs as authorization grants (RFC 7523 2.1 and 3).

- Where: the form's ``assertion``, with its ``grant_type``, in a POST.
- What it must hold: ``iss``, ``sub``, and one of ``AUDIENCE`` in ``aud``.
- Namespace: the issuer.
- Answers: RFC 6749 5.2, ``invalid_grant`` for an assertion that is refused (RFC 7523 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from jti_replay.exceptions import RequestInvalid, TokenInvalid, TokenMissing

from .answers import json_refusal
from .base import BaseKind
from .forms import check_form, form_with, parameter

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from jti_replay.exceptions import TokenError

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class JWTBearerGrant(BaseKind):
    """An assertion that a token endpoint exchanges for an access token."""

    methods: ClassVar[tuple[str, ...] | None] = ("POST",)
    required_settings: ClassVar[frozenset[str]] = frozenset({"AUDIENCE"})

    def find(self, request: HttpRequest) -> str:
        """Return the assertion in the form."""
        check_form(request)
        grant_type = parameter(request, "grant_type")
        assertion = parameter(request, "assertion")
        if not grant_type:
            raise RequestInvalid("No grant_type was sent.")
        if grant_type != GRANT_TYPE:
            raise RequestInvalid(
                f"The grant_type is not {GRANT_TYPE}.", code="unsupported_grant_type"
            )
        if not assertion:
            raise TokenMissing("No assertion was sent. Send one as assertion in the form.")
        return assertion

    def check(
        self, header: Mapping[str, Any], claims: Mapping[str, Any], request: HttpRequest
    ) -> None:
        """Refuse an assertion that does not say by whom and for whom it was issued."""
        for name in ("iss", "sub"):
            value = claims.get(name)
            if not isinstance(value, str) or not value:
                raise TokenInvalid(f"The assertion has no {name}.", claim=name)

    @cached_property
    def namespace_prefix(self) -> str:
        """What all namespaces begin with."""
        return "jwt_bearer_grant:"

    def namespace(self, claims: Mapping[str, Any]) -> str:
        """Return the issuer."""
        return f"{self.namespace_prefix}{claims['iss']}"

    def carry(self, token: str) -> dict[str, Any]:
        """Return the form."""
        return form_with(grant_type=GRANT_TYPE, assertion=token)

    def refuse(self, request: HttpRequest, error: TokenError) -> HttpResponse:
        """Return ``invalid_grant``, or ``invalid_request`` for what is no such form."""
        is_request = isinstance(error, RequestInvalid | TokenMissing)
        code = "invalid_request" if is_request else "invalid_grant"
        return json_refusal(400, error.code or code, error)
