"""
Bearer tokens (RFC 6750), among them the OIDC tokens of CI jobs.

- Where: the ``Authorization`` header alone (RFC 6750 2.1).
- What it must hold: no confirmation key (``cnf.jkt``), which makes a token one for DPoP
  (RFC 9449 7.2). An access token (``at+jwt``, RFC 9068 4) is made to be used many times, and is
  refused unless the option ``single_use_access_tokens`` is True.
- Namespace: the issuer.
- Answers: RFC 6750 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from jti_replay.conf.rules import check_bools
from jti_replay.exceptions import TokenInvalid, TokenMissing

from .answers import json_refusal
from .base import BaseKind
from .challenges import challenge

if TYPE_CHECKING:
    from django.core.checks import CheckMessage
    from django.http import HttpRequest, HttpResponse

    from jti_replay.exceptions import TokenError

# The alphabet of b64token in RFC 6750 2.1. It has no comma, which is what servers join two
# headers of one name with.
CREDENTIALS = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE | re.ASCII)
SCHEME = re.compile(r"bearer\b", re.IGNORECASE)

OTHER_PREFIXES = (
    "client_assertion:",
    "jwt_bearer_grant:",
    "dpop:",
    "kind:",
    "link:",
    "logout_token:",
    "security_event:",
)
"""What the namespaces of the other kinds begin with. An issuer's name could begin so, too."""

PREFIXES = ("bearer:", *OTHER_PREFIXES)


class Bearer(BaseKind):
    """A token in the ``Authorization`` header."""

    known_options: ClassVar[frozenset[str]] = frozenset({"single_use_access_tokens"})

    @classmethod
    def check_options(cls, where: str, options: Mapping[str, Any]) -> Iterable[CheckMessage]:
        """Refuse an option of a wrong type."""
        return check_bools(where, options, ("single_use_access_tokens",))

    def find(self, request: HttpRequest) -> str:
        """Return the token in the ``Authorization`` header."""
        header = request.META.get("HTTP_AUTHORIZATION", "").strip()
        found = CREDENTIALS.fullmatch(header)
        if found:
            return found[1]
        if SCHEME.match(header) and header[len("bearer") :].strip():
            raise TokenInvalid("The Authorization header does not hold exactly one token.")
        raise TokenMissing("No token was sent. Send one as 'Authorization: Bearer'.")

    def check(
        self, header: Mapping[str, Any], claims: Mapping[str, Any], request: HttpRequest
    ) -> None:
        """Refuse a token that is bound to a key."""
        if "cnf" not in claims:
            return
        confirmation = claims["cnf"]
        if isinstance(confirmation, dict) and "jkt" in confirmation:
            raise TokenInvalid(
                "The token is bound to a key, and is to be sent with a DPoP proof.",
                claim="cnf",
            )

    @cached_property
    def namespace_prefix(self) -> str:
        """What all namespaces begin with."""
        return ""

    def namespace(self, claims: Mapping[str, Any]) -> str:
        """Return the issuer, kept apart from the namespaces of other kinds."""
        issuer: str = claims.get("iss", "")
        return f"bearer:{issuer}" if issuer.startswith(PREFIXES) else issuer

    def carry(self, token: str) -> dict[str, Any]:
        """Return the header."""
        return {"headers": {"Authorization": f"Bearer {token}"}}

    def refuse(self, request: HttpRequest, error: TokenError) -> HttpResponse:
        """Return a 401 that says what is wrong, but no code to a client that sent no token."""
        if isinstance(error, TokenMissing):
            response = json_refusal(401, "missing_token", error)
            response["WWW-Authenticate"] = "Bearer"
        else:
            code = error.code or "invalid_token"
            response = json_refusal(401, code, error)
            response["WWW-Authenticate"] = challenge(
                "Bearer", error=code, error_description=str(error)
            )
        return response
