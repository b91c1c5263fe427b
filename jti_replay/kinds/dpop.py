"""
DPoP proofs (RFC 9449): a client shows with each request that it has the key of its token.

- Where: the ``DPoP`` header, one. At a resource the access token is in ``Authorization: DPoP``.
- What it must hold: the public key that it is signed with (``jwk``); the method and the URI of
  the request (``htm``, ``htu``); ``iat``; at a resource the hash of the access token (``ath``);
  with the option ``nonces`` a nonce of this server, and then the client's clock does not
  matter.
- Namespace: the key's thumbprint and the URI.
- Answers: RFC 9449 7.1 at a resource, 5 at a token endpoint.

The access token itself is judged in :mod:`jti_replay.admission.access_token`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from jti_replay.exceptions import NonceRequired, RequestInvalid, TokenInvalid, TokenMissing
from jti_replay.tokens.quoting import shown

from . import dpop_credentials, dpop_options
from .answers import json_refusal
from .base import BaseKind
from .challenges import challenge
from .dpop_target import names_target, own_origin
from .nonces import LIFETIME, Nonces, age, made_at
from .thumbprint import sha256_base64url, thumbprint
from .uris import normalized_uri

if TYPE_CHECKING:
    from django.core.checks import CheckMessage
    from django.http import HttpRequest, HttpResponse, HttpResponseBase

    from jti_replay.exceptions import TokenError

NONCE_HEADER = "DPoP-Nonce"


class DPoP(BaseKind):
    """A proof in the ``DPoP`` header, with an access token beside it or without one."""

    types: ClassVar[frozenset[str]] = frozenset({"dpop+jwt"})
    known_options: ClassVar[frozenset[str]] = dpop_options.KNOWN
    requires_exp: ClassVar[bool] = False
    key_in_header: ClassVar[bool] = True
    unused_settings: ClassVar[frozenset[str]] = frozenset(
        {"ISSUER", "AUDIENCE", "KEY", "JWKS_URL", "JWKS_OPTIONS"}
    )
    recommended_settings: ClassVar[frozenset[str]] = frozenset()
    max_age: float | None = 300

    def __init__(self, profile: str, options: Mapping[str, Any]) -> None:
        super().__init__(profile, options)
        self._at_resource = self.needs_access_token(options)
        self._nonces = Nonces(profile) if options.get("nonces") is True else None
        self.judges_iat = self._nonces is None

    @classmethod
    def default_settings(cls, profile: str) -> Mapping[str, Any]:
        """Return the algorithms that clients use."""
        return {"ALGORITHMS": ["ES256", "EdDSA", "Ed25519"]}

    @classmethod
    def needs_access_token(cls, options: Mapping[str, Any]) -> bool:
        """Return whether this is a resource, and no token endpoint."""
        return dpop_options.is_for_resource(options)

    @classmethod
    def check_options(cls, where: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        """Refuse options that cannot work."""
        return dpop_options.check_options(where, options)

    @classmethod
    def deployment_warnings(
        cls, where: str, params: Mapping[str, Any]
    ) -> Iterable[CheckMessage]:
        """Warn of a host that the request itself may choose."""
        return dpop_options.deployment_warnings(where, params)

    @cached_property
    def _origins(self) -> tuple[str, ...]:
        return dpop_options.origins(self.options)

    def find(self, request: HttpRequest) -> str:
        """Return the proof in the ``DPoP`` header."""
        if self._at_resource:
            dpop_credentials.access_token(request)  # Without one, a proof is of no use.
        proof = dpop_credentials.proof(request)
        if proof is None:
            raise TokenInvalid("No proof was sent. Send one in the header DPoP.")
        return proof

    def check(
        self, header: Mapping[str, Any], claims: Mapping[str, Any], request: HttpRequest
    ) -> None:
        """Refuse a proof for another request, and then one without a good nonce."""
        if claims.get("htm") != request.method:
            raise TokenInvalid(
                "The proof is for another method (htm).",
                claim="htm",
                detail=f"Its htm is {shown(claims.get('htm'))}. The method is "
                f"{shown(request.method)}.",
            )
        self._check_target(claims.get("htu"), request)
        if "iat" not in claims:
            raise TokenInvalid("The proof has no time of issue (iat).", claim="iat")
        if self._at_resource:
            _check_hash(claims.get("ath"), request)
        if self._nonces is not None:
            self._nonces.check(claims.get("nonce"))
            request.dpop_nonce_ages = age(claims["nonce"]) > LIFETIME / 2  # type: ignore[attr-defined]
        request.dpop_jkt = thumbprint(header["jwk"])  # type: ignore[attr-defined]

    @cached_property
    def namespace_prefix(self) -> str:
        """What all namespaces begin with."""
        return "dpop:"

    def namespace(self, claims: Mapping[str, Any]) -> str:
        """Return the key and the URI, within which a jti is unique (RFC 9449 11.1)."""
        key, uri = thumbprint(claims["cnf"]["jwk"]), normalized_uri(claims["htu"])
        return f"{self.namespace_prefix}{key}:{uri}"

    def expires_at(self, claims: Mapping[str, Any]) -> float | None:
        """Return when the proof becomes too old, or its nonce."""
        if self._nonces is not None:
            return made_at(claims["nonce"]) + LIFETIME
        iat: float = claims["iat"]
        return iat + (self.max_age or 0)

    def made_at(self, claims: Mapping[str, Any]) -> float | None:
        """Return when the proof was made, or its nonce, which does not depend on its clock."""
        return super().made_at(claims) if self._nonces is None else made_at(claims["nonce"])

    def refuse(self, request: HttpRequest, error: TokenError) -> HttpResponse:
        """Return a challenge at a resource, and a 400 at a token endpoint."""
        response = (
            self._challenge(error)
            if self._at_resource
            else json_refusal(400, _code(error), error)
        )
        if self._nonces is not None and isinstance(error, NonceRequired):
            response[NONCE_HEADER] = self._nonces.new()
        return response

    def finish(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Add a new nonce when the proof's has lived for half of its life."""
        if self._nonces is not None and getattr(request, "dpop_nonce_ages", False):
            response.headers[NONCE_HEADER] = self._nonces.new()
            response.headers["Cache-Control"] = "no-store"
        return response

    def _challenge(self, error: TokenError) -> HttpResponse:
        algs = " ".join(self.algorithms)
        if isinstance(error, TokenMissing):
            response = json_refusal(401, "missing_token", error)
            response["WWW-Authenticate"] = challenge("DPoP", algs=algs)
            return response
        code = _code(error)
        response = json_refusal(400 if code == "invalid_request" else 401, code, error)
        response["WWW-Authenticate"] = challenge(
            "DPoP", error=code, error_description=str(error), algs=algs
        )
        return response

    def _check_target(self, htu: object, request: HttpRequest) -> None:
        try:
            uri = normalized_uri(htu) if isinstance(htu, str) else None
        except ValueError:
            uri = None
        if uri is not None and names_target(uri, request, self._origins):
            return
        expected = " or ".join(self._origins or [own_origin(request)])
        raise TokenInvalid(
            "The proof is for another URI (htu).",
            claim="htu",
            detail=f"Its htu is {shown(htu)}. The request came to {shown(request.path)} at "
            f"{expected}. Set the option origin if clients know this site by another name.",
        )


def _check_hash(ath: object, request: HttpRequest) -> None:
    if ath != sha256_base64url(dpop_credentials.access_token(request)):
        raise TokenInvalid("The proof is for another access token (ath).", claim="ath")


def _code(error: TokenError) -> str:
    if error.code is not None:
        return error.code
    if isinstance(error, NonceRequired):
        return "use_dpop_nonce"
    return "invalid_request" if isinstance(error, RequestInvalid) else "invalid_dpop_proof"
